/* <rekindle-card src="https://rekindle.example" token="…"></rekindle-card>
 *
 * A learner's current suggestions on a page of the LMS. The token is a pass that the LMS's server gets from
 * POST /api/v1/card-passes/ and that ends after ten minutes; when it does, the element fires "rekindle-expired", and a
 * new token attribute is enough. Everything said comes from the API, in the learner's language. No cookies, no storage.
 * With "framed" (templates/card_frame.html) the server is this page's own, and the token is the address's fragment.
 */
(() => {
  "use strict";
  const ANSWERS = ["did_it", "need_help", "not_now", "wrong"];
  const STYLE = `
    :host { display: block; font: 1rem/1.5 system-ui, sans-serif; color: var(--rekindle-ink, light-dark(#2a211c, #f3e9df)); color-scheme: light dark; }
    section, article { display: grid; gap: .7rem; }
    article { padding: 1rem; border: 1px solid var(--rekindle-line, light-dark(#e6dacb, #3d332c)); border-radius: 12px; background: var(--rekindle-surface, light-dark(#fffdfa, #201a16)); }
    h2, h3, p, ul { margin: 0; } h2 { font-size: 1.1rem; } h3 { font-size: 1rem; }
    ul { padding-inline-start: 1.1rem; }
    .acts { display: flex; flex-wrap: wrap; gap: .5rem; }
    button, a.go { font: inherit; font-weight: 600; min-height: 40px; padding: .35rem .9rem; border: 1px solid currentColor; border-radius: 10px; background: transparent; color: var(--rekindle-accent, light-dark(#b0451a, #ff9a66)); cursor: pointer; box-sizing: border-box; text-decoration: none; }
    button[disabled] { opacity: .6; cursor: default; }
    :focus-visible { outline: 3px solid light-dark(#1d5fbf, #8fc1ff); outline-offset: 2px; border-radius: 6px; }
    summary { cursor: pointer; min-height: 24px; }
  `;
  const FALLBACK = { title: "Suggestions", trouble: "This cannot be shown just now.", again: "Try again", off: "" };

  function make(name, text, attributes) {
    const node = document.createElement(name);
    if (text) node.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
    return node;
  }

  class RekindleCard extends HTMLElement {
    static observedAttributes = ["src", "token"];

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      root.append(make("style", STYLE));
      this.section = make("section", "", { "aria-labelledby": "title", "aria-busy": "true" });
      this.status = make("p", "", { role: "status" });
      root.append(this.section, this.status);
      this.words = FALLBACK;
    }

    connectedCallback() {
      if (this.hasAttribute("framed")) window.addEventListener("hashchange", () => this.load());
      this.load();
    }

    attributeChangedCallback(name, before, after) {
      if (this.isConnected && before !== after) this.load();
    }

    get server() {
      return this.hasAttribute("framed") ? "" : (this.getAttribute("src") || "").replace(/\/+$/, "");
    }

    get pass() {
      return this.hasAttribute("framed") ? decodeURIComponent(location.hash.slice(1)) : this.getAttribute("token") || "";
    }

    async ask(path, body) {
      const answer = await fetch(`${this.server}/api/v1/card/${path}`, {
        method: body ? "POST" : "GET",
        headers: { Authorization: `Bearer ${this.pass}`, ...(body && { "Content-Type": "application/json" }) },
        body: body && JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
        referrerPolicy: "no-referrer",
      });
      if (answer.status === 401) this.dispatchEvent(new CustomEvent("rekindle-expired", { bubbles: true, composed: true }));
      if (!answer.ok) throw Object.assign(new Error(String(answer.status)), { problem: await answer.json().catch(() => ({})) });
      return answer.json();
    }

    async load() {
      if (!this.pass) return;
      const turn = (this.turn = (this.turn || 0) + 1); // a later token makes an earlier answer stale
      this.section.setAttribute("aria-busy", "true");
      try {
        const told = await this.ask("");
        if (turn !== this.turn) return;
        this.words = told.words;
        this.listen(told.listens_to, told.heard, turn);
        this.section.lang = this.status.lang = told.language;
        this.show(told.suggestions);
      } catch (fault) {
        if (turn === this.turn) this.trouble(fault);
      } finally {
        this.section.setAttribute("aria-busy", "false");
      }
    }

    /* Who withdrew while the page is open sees the card go within a second: one word is asked for while it is looked
       at, without the pass, and when it changes everything is loaded anew. */
    listen(path, heard, turn) {
      setTimeout(async () => {
        if (turn !== this.turn || !this.isConnected) return;
        let word = heard;
        try {
          if (document.visibilityState === "visible") {
            const answer = await fetch(this.server + path, { credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer" });
            if (answer.status === 200) word = await answer.text();
          }
        } catch {
          // No connection: asked again.
        }
        if (turn !== this.turn) return;
        if (word === heard) this.listen(path, heard, turn);
        else this.load();
      }, 500);
    }

    show(suggestions) {
      this.section.replaceChildren(make("h2", this.words.title, { id: "title" }));
      if (!suggestions.length) this.section.append(make("p", this.words.nothing));
      for (const one of suggestions) this.section.append(this.article(one));
    }

    article(one) {
      const article = make("article", "", { "aria-labelledby": `s-${one.id}` });
      article.append(make("h3", one.subject, { id: `s-${one.id}`, tabindex: "-1" }), make("p", one.body));
      if (one.lesson && /^https?:\/\//.test(one.lesson.url)) {
        article.append(make("a", `${this.words.lesson}: ${one.lesson.title}`, { class: "go", href: one.lesson.url, target: "_top", rel: "noreferrer" }));
      }
      if (one.why.length) {
        const why = make("details");
        const list = make("ul");
        list.append(...one.why.map((line) => make("li", line)));
        why.append(make("summary", this.words.why), list);
        if (one.looked_at) why.append(make("p", one.looked_at));
        article.append(why);
      }
      if (one.answer) {
        article.append(make("p", `${this.words.given}: ${this.words[one.answer]}`));
      } else {
        const acts = make("div", "", { class: "acts", role: "group", "aria-labelledby": `s-${one.id}` });
        for (const kind of ANSWERS) {
          const button = make("button", this.words[kind], { type: "button", "data-kind": kind });
          button.addEventListener("click", () => this.answer(one, kind, article));
          acts.append(button);
        }
        article.append(acts);
      }
      return article;
    }

    async answer(one, kind, article) {
      const buttons = article.querySelectorAll("button");
      buttons.forEach((button) => { button.disabled = true; });
      try {
        await this.ask(`${encodeURIComponent(one.id)}/answer/`, { kind });
        const after = this.article({ ...one, answer: kind });
        article.replaceWith(after);
        after.querySelector("h3").focus(); // the button that had the focus is gone
        this.status.textContent = this.words.answered;
      } catch (fault) {
        buttons.forEach((button) => { button.disabled = false; });
        article.querySelector(`button[data-kind="${kind}"]`)?.focus();
        this.status.textContent = this.words.trouble;
      }
    }

    trouble(fault) {
      const isOff = fault.problem && fault.problem.type === "urn:rekindle:problem:consent-refused";
      this.section.replaceChildren(make("h2", this.words.title, { id: "title" }));
      if (isOff) {
        this.section.hidden = true; // nothing is suggested, and nothing is said about why
        return;
      }
      const again = make("button", this.words.again, { type: "button" });
      again.addEventListener("click", () => this.load());
      this.section.append(make("p", this.words.trouble), again);
    }
  }

  if (!customElements.get("rekindle-card")) customElements.define("rekindle-card", RekindleCard);
})();
