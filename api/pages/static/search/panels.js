// What opens beside the count: the name under which to freeze, which condition removed most, the link to share.

import { h } from "./dom.js";

/** Return the part of another page of ours that has this id. */
async function fragment(address, id) {
  const response = await fetch(address, { headers: { accept: "text/html" } });
  const found = new DOMParser().parseFromString(await response.text(), "text/html").getElementById(id);
  if (!found) throw new Error("The server did not answer.");
  return found;
}

export class Panels {
  /** `query()` returns the query as it is asked now. */
  constructor(query) {
    this.query = query;
    this.why = document.getElementById("why-panel");
    document.querySelector("main").addEventListener("click", (event) => {
      if (event.target.closest("[data-why]") && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        this.toggleWhy();
      }
    });
    const opener = document.querySelector("[data-opens]");
    if (opener) opener.addEventListener("click", () => this.toggle(opener));
    this.copying(document.querySelector("[data-copy]"));
  }

  toggle(opener) {
    const section = document.getElementById(opener.dataset.opens);
    const open = section.classList.toggle("open");
    opener.setAttribute("aria-expanded", String(open));
    if (open) section.querySelector("input").focus();
  }

  copying(button) {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(location.href);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy link"; }, 1500);
    });
  }

  /** The query has changed: what is open follows it. */
  async refresh(count) {
    if (!this.why.hidden) await this.showWhy();
    else if (count === 0) await this.showWhy();
    if (count > 0 && this.unasked) this.hideWhy();
  }

  toggleWhy() {
    if (this.why.hidden) this.showWhy().then(() => { this.unasked = false; this.why.querySelector("a, button")?.focus(); });
    else this.hideWhy();
  }

  hideWhy() {
    this.why.hidden = true;
    this.unasked = false;
  }

  async showWhy() {
    this.unasked = this.why.hidden || this.unasked;
    const query = this.query();
    try {
      const found = await fragment(`/search/why?q=${encodeURIComponent(query)}`, "why");
      if (query !== this.query()) return;
      const close = h("button", { type: "button", class: "remove", "aria-label": "Close", on: { click: () => this.hideWhy() } }, "\u00d7");
      this.why.replaceChildren(h("div", { class: "line" }, h("strong", {}, "Which condition removed most"), close), found);
      this.why.hidden = false;
    } catch (error) {
      this.why.replaceChildren(h("p", { class: "error" }, error.message));
    }
  }
}
