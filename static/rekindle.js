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
  document.addEventListener("htmx:sendError", () => tell(status.dataset.unsent));
  document.addEventListener("htmx:responseError", () => tell(status.dataset.refused));
  new MutationObserver(() => {
    clearTimeout(fading);
    if (status.textContent) fading = setTimeout(() => tell(""), 12000);
  }).observe(status, { childList: true });

  // Somebody who withdrew is not shown any longer, also on a page that is open: it listens for one word while it is
  // looked at, and when that changes it is compared with how it reads now. Nothing else moves, so no typing is lost.
  const LISTEN_MS = 500;
  const named = (root) => new Map([...root.querySelectorAll("[data-about]")].map((one) => [one.dataset.about, one]));
  const isTyped = (root) => [...root.querySelectorAll("textarea, input:not([type=hidden]), select")].some((one) =>
    one.type === "radio" || one.type === "checkbox" ? one.checked !== one.defaultChecked
      : one.tagName === "SELECT" ? [...one.options].some((option) => option.selected !== option.defaultSelected)
        : one.value !== one.defaultValue);
  async function reread(region, word) {
    const answer = await fetch(location.href, { headers: { "HX-Request": "true" }, cache: "no-store" });
    if (region !== document.querySelector("[data-listens-to]")) return; // changed meanwhile, and read anew with it
    if (!answer.ok || answer.redirected) {
      if (answer.status >= 500) return;
      region.replaceChildren(); // what was open is not there for us any more
      return location.assign(region.dataset.without || location.pathname);
    }
    const read = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = read.getElementById(region.id);
    if (!fresh || region !== document.querySelector("[data-listens-to]")) return;
    const left = named(fresh);
    const gone = [...named(region)].filter(([key]) => !left.has(key)).map(([, one]) => one);
    region.dataset.heard = word;
    if (!gone.length) return;
    gone.forEach((one) => one.remove());
    if (!isTyped(region)) {
      region.replaceWith(fresh);
      htmx.process(fresh);
      reveal();
    }
    tell(status.dataset.reread);
  }
  async function listen() {
    const region = document.querySelector("[data-listens-to]");
    if (!region) return;
    try {
      if (document.visibilityState === "visible" && !region.hasAttribute("aria-busy")) {
        const answer = await fetch(region.dataset.listensTo, { credentials: "omit", cache: "no-store" });
        const word = answer.status === 200 ? await answer.text() : region.dataset.heard;
        if (word !== region.dataset.heard) await reread(region, word);
      }
    } catch {
      // No connection: asked again.
    }
    setTimeout(listen, LISTEN_MS);
  }

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
  listen();
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
    const sheet = event.key === "Escape" && event.target.closest(".acts > details[open]");
    if (sheet) { // closed again, with nothing done and nothing typed lost
      sheet.open = false;
      return sheet.querySelector("summary").focus();
    }
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
