// Completion of the query's text (ARIA 1.2 combobox with a listbox), from what the server suggests at the caret. What is
// shown while somebody types on belongs to an earlier text: it is marked as busy, and cannot be taken.

import { debounced, h, number, uniqueId } from "./dom.js";
import { get } from "./server.js";

const KINDS = { property: "property", function: "function", operator: "", value: "value", term: "term" };

export class Completion {
  constructor(field, { chosen }) {
    this.field = field;
    this.chosen = chosen;
    this.items = [];
    this.active = -1;
    this.asking = null;
    this.list = h("ul", { id: uniqueId("suggestions"), role: "listbox", class: "options floating", "aria-label": "Suggestions", hidden: true });
    field.after(this.list);
    const roles = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id, autocomplete: "off" };
    for (const [name, value] of Object.entries(roles)) field.setAttribute(name, value);
    this.soon = debounced(() => this.ask(), 120);
    field.addEventListener("input", () => { this.asked = false; this.outdate(); this.soon(); });
    field.addEventListener("keydown", (event) => this.pressed(event));
    field.addEventListener("blur", () => this.close());
  }

  /** Forget what was asked, and let nothing of what is shown be taken. */
  outdate() {
    this.soon.cancel();
    if (this.asking) this.asking.abort();
    if (this.list.hidden) return;
    this.list.setAttribute("aria-busy", "true");
    this.activate(-1);
  }

  async ask() {
    this.outdate();
    this.asking = new AbortController();
    const at = this.field.selectionStart;
    try {
      const query = new URLSearchParams({ q: this.field.value, at });
      const body = await get(`/cohorts/suggest?${query}`, this.asking.signal);
      if (document.activeElement === this.field && this.field.selectionStart === at) this.offer(body.items);
      else this.close();
    } catch (error) {
      if (error.name !== "AbortError") this.close();
    }
  }

  offer(items) {
    const before = this.field.value;
    this.items = items.filter((item) => before.slice(item.start, item.end) !== item.text);
    // What joins conditions need not be offered to somebody who may have come to the end.
    if (!this.asked && this.items.every((item) => item.kind === "operator" && item.start === item.end)) this.items = [];
    if (!this.items.length) {
      this.close();
      return;
    }
    this.list.replaceChildren(...this.items.map((item, at) => this.option(item, at)));
    this.list.removeAttribute("aria-busy");
    this.list.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    this.activate(-1);
  }

  option(item, at) {
    const count = item.count === undefined || item.count === null ? "" : number(item.count);
    const said = item.label && item.label !== item.text ? item.label : "";
    const kind = said.includes("(") ? "" : KINDS[item.kind] ?? item.kind;
    const first = item.kind === "term" && said ? [h("span", {}, said.replace(/ \([^()]*\)$/, "")), h("code", {}, item.text)] : [h("code", {}, item.text), h("small", {}, said)];
    return h("li", { role: "option", id: `${this.list.id}-${at}`, "aria-selected": "false", on: { mousedown: (event) => { event.preventDefault(); this.take(item); } } },
      h("span", { class: "said" }, first), h("small", {}, [item.kind === "term" ? "" : kind, count].filter(Boolean).join(" \u00b7 ")));
  }

  activate(index) {
    const options = [...this.list.children];
    options.forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
    this.active = index;
    if (index < 0) this.field.removeAttribute("aria-activedescendant");
    else {
      this.field.setAttribute("aria-activedescendant", options[index].id);
      options[index].scrollIntoView({ block: "nearest" });
    }
  }

  take(item) {
    if (this.busy) return;
    this.field.setRangeText(item.text, item.start, item.end, "end");
    this.close();
    this.chosen();
  }

  get busy() {
    return this.list.hasAttribute("aria-busy");
  }

  close() {
    this.soon.cancel();
    if (this.asking) this.asking.abort();
    this.list.removeAttribute("aria-busy");
    this.list.hidden = true;
    this.items = [];
    this.active = -1;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }

  pressed(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.close();
    if (this.list.hidden) {
      if (event.key === " " && event.ctrlKey) { event.preventDefault(); this.asked = true; this.ask(); }
      return;
    }
    const last = this.items.length - 1;
    if (this.busy && ["ArrowDown", "ArrowUp"].includes(event.key)) this.activate(-1);
    else if (event.key === "ArrowDown") this.activate(this.active < last ? this.active + 1 : 0);
    else if (event.key === "ArrowUp") this.activate(this.active > 0 ? this.active - 1 : last);
    else if (event.key === "Escape") this.close();
    else if ((event.key === "Enter" || event.key === "Tab") && this.active >= 0 && !event.ctrlKey) this.take(this.items[this.active]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
