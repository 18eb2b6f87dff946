// A text field with a list to choose from (ARIA 1.2 combobox with a listbox).

import { h, uniqueId } from "./dom.js";

const SHOWN = 200;

function key(text) {
  return text.toLowerCase().normalize("NFKD").replace(/[^\p{L}\p{N}]+/gu, " ").trim();
}

function rank(option, wanted) {
  const label = key(option.label);
  if (label === wanted) return 0;
  if (label.startsWith(wanted)) return 1;
  if (` ${label}`.includes(` ${wanted}`)) return 2;
  return label.includes(wanted) || key(option.also || "").includes(wanted) ? 3 : -1;
}

export class Combobox {
  constructor({ label, placeholder, choose, cancel }) {
    this.choose = choose;
    this.options = [];
    this.shown = [];
    this.active = -1;
    const list = uniqueId("list");
    const input = uniqueId("pick");
    this.list = h("ul", { id: list, role: "listbox", "aria-label": label, class: "options" });
    this.input = h("input", {
      id: input, type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", placeholder,
      "aria-controls": list, "aria-expanded": "true", "aria-autocomplete": "list",
      on: { input: () => this.filter(), keydown: (event) => this.pressed(event) },
    });
    const close = h("button", { type: "button", class: "quiet", on: { click: cancel } }, "Cancel");
    this.cancel = cancel;
    this.element = h("div", { class: "picker" }, h("label", { for: input }, label), h("div", { class: "line" }, this.input, close), this.list);
  }

  focus() {
    this.input.focus();
  }

  /** Offer options `{label, detail, group, also}`. */
  offer(options) {
    this.options = options;
    this.filter();
  }

  filter() {
    const wanted = key(this.input.value);
    const ranked = this.options.map((option, at) => ({ option, at, rank: wanted ? rank(option, wanted) : 0 }));
    const found = ranked.filter((each) => each.rank >= 0);
    if (wanted) found.sort((a, b) => a.rank - b.rank || a.at - b.at);
    this.shown = found.slice(0, SHOWN).map((each) => each.option);
    this.draw(!wanted);
  }

  draw(grouped) {
    let group = null;
    this.list.replaceChildren();
    this.shown.forEach((option, index) => {
      if (grouped && option.group !== group) {
        group = option.group;
        this.list.append(h("li", { role: "presentation", class: "heading" }, group));
      }
      const place = grouped ? "" : option.group;
      this.list.append(h("li", { role: "option", id: `${this.list.id}-${index}`, "aria-selected": "false", on: { mousedown: (event) => event.preventDefault(), click: () => this.choose(option) } },
        h("span", {}, option.label), h("small", {}, [place, option.detail].filter(Boolean).join(" \u00b7 "))));
    });
    if (!this.shown.length) this.list.append(h("li", { role: "presentation", class: "heading" }, this.options.length ? "Nothing is called that." : "Asking \u2026"));
    this.activate(this.shown.length && !grouped ? 0 : -1);
  }

  activate(index) {
    const items = this.list.querySelectorAll("[role=option]");
    items.forEach((item, at) => item.setAttribute("aria-selected", String(at === index)));
    this.active = index;
    if (index < 0) {
      this.input.removeAttribute("aria-activedescendant");
      return;
    }
    this.input.setAttribute("aria-activedescendant", items[index].id);
    const item = items[index];
    if (item.offsetTop < this.list.scrollTop) this.list.scrollTop = item.offsetTop;
    const bottom = item.offsetTop + item.offsetHeight;
    if (bottom > this.list.scrollTop + this.list.clientHeight) this.list.scrollTop = bottom - this.list.clientHeight;
  }

  pressed(event) {
    const last = this.shown.length - 1;
    const moves = { ArrowDown: Math.min(this.active + 1, last), ArrowUp: Math.max(this.active - 1, 0), PageDown: Math.min(this.active + 8, last), PageUp: Math.max(this.active - 8, 0) };
    if (event.key in moves) this.activate(moves[event.key]);
    else if (event.key === "Enter" && this.active >= 0) this.choose(this.shown[this.active]);
    else if (event.key === "Escape") this.cancel();
    else if (event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
  }
}
