// Comfort only: every page works without this file.
"use strict";
(() => {
  const OFF = "rekindle-keys-off";
  const status = document.getElementById("status");
  let fading;

  // After a change the focus goes where the server says: the next card, or the fault.
  document.addEventListener("focusOn", (event) => {
    const target = document.getElementById(event.detail.id);
    if (target) target.focus();
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    status.textContent = "";
    event.detail.target.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:afterRequest", (event) => event.detail.target.removeAttribute("aria-busy"));
  const tell = (text) => { status.textContent = text; };
  document.addEventListener("htmx:sendError", () => tell("No connection. Nothing was changed."));
  document.addEventListener("htmx:responseError", () => tell("That did not work. Nothing was changed; load the page again."));
  new MutationObserver(() => {
    clearTimeout(fading);
    if (status.textContent) fading = setTimeout(() => tell(""), 12000);
  }).observe(status, { childList: true });

  // Keys of the inbox: only with the focus inside it, never while typing (WCAG 2.1.4), and they can be switched off.
  const off = () => localStorage.getItem(OFF) === "yes";
  const reveal = () => document.querySelectorAll("[data-opens]").forEach((button) => { button.hidden = false; });
  const dialog = document.getElementById("keys");
  const toggle = document.querySelector("[data-keys-off]");
  if (toggle) {
    toggle.checked = off();
    toggle.addEventListener("change", () => localStorage.setItem(OFF, toggle.checked ? "yes" : "no"));
  }
  reveal();
  document.addEventListener("htmx:afterSettle", reveal);
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
  });
  // Enter in a field decides nothing (without this file, the form's first button does nothing either).
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches(".decide input, .acts input, .decide select")) event.preventDefault();
  });
  document.addEventListener("keydown", (event) => {
    const region = event.target.closest && event.target.closest("[data-shortcuts]");
    if (!region || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.matches("input, textarea, select")) return;
    if (event.key === "?") {
      dialog.showModal();
      return event.preventDefault();
    }
    if (off()) return;
    if (event.key === "j" || event.key === "k") {
      const rows = [...region.querySelectorAll("[data-row]")];
      const here = rows.findIndex((row) => row.getAttribute("aria-current"));
      const next = rows[here + (event.key === "j" ? 1 : -1)];
      if (next) {
        next.click();
        event.preventDefault();
      }
      return;
    }
    const wanted = [...region.querySelectorAll("[data-key]")].find((one) => one.dataset.key === event.key);
    if (!wanted) return;
    event.preventDefault();
    if (wanted.matches("details")) {
      wanted.open = true;
      wanted.querySelector("select, input").focus();
    } else {
      wanted.click();
    }
  });
  // A row opened by key keeps the focus in the inbox, so that the next key works too.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id === "board" && !event.detail.elt.contains(document.activeElement)) {
      const row = event.detail.elt.querySelector("[data-row][aria-current]");
      if (row) row.focus({ preventScroll: true });
    }
  });
})();
