// A tree of terms with counts that roll up (ARIA tree pattern): any level can be chosen, several terms too.

import { h, number, uniqueId } from "./dom.js";

export class TermTree {
  /** `nodes` are `{value, label, count, own, parents}`; `chosen` a Map by value; `toggle(value, below, on)` is told. */
  constructor({ nodes, chosen, toggle, name }) {
    this.nodes = new Map(nodes.map((node) => [node.value, node]));
    this.chosen = chosen;
    this.toggle = toggle;
    this.children = new Map();
    this.roots = [];
    for (const node of nodes) {
      const parents = (node.parents || []).filter((parent) => this.nodes.has(parent));
      if (!parents.length) this.roots.push(node.value);
      for (const parent of parents) this.children.set(parent, [...(this.children.get(parent) || []), node.value]);
    }
    this.expanded = new Set();
    this.openFirst();
    this.list = h("ul", { role: "tree", "aria-multiselectable": "true", "aria-label": `Terms of ${name}`, class: "terms" });
    this.list.addEventListener("keydown", (event) => this.pressed(event));
    const id = uniqueId("find-term");
    this.search = h("input", { type: "text", id, placeholder: "Find a term", class: "filter", "aria-label": "Find a term in the tree", on: { input: () => this.draw() } });
    const hint = h("p", { class: "hint" }, "A term stands for itself and all narrower ones.");
    this.element = h("div", {}, nodes.length > 8 ? this.search : null, this.list, hint);
    this.draw();
  }

  ordered(values) {
    return [...values].sort((a, b) => this.nodes.get(b).count - this.nodes.get(a).count || this.nodes.get(a).label.localeCompare(this.nodes.get(b).label));
  }

  /** Open the way down to where the tree first branches, and to everything that is chosen. */
  openFirst() {
    const parentsOf = (value) => (this.nodes.get(value)?.parents || []).filter((parent) => this.nodes.has(parent));
    const open = (value) => { for (const parent of parentsOf(value)) if (!this.expanded.has(parent)) { this.expanded.add(parent); open(parent); } };
    for (const value of this.chosen.keys()) open(value);
    let level = this.roots;
    for (let depth = 0; depth < 12 && level.length > 0 && level.length < 6; depth += 1) {
      level.forEach((value) => this.expanded.add(value));
      level = level.flatMap((value) => this.children.get(value) || []);
    }
  }

  draw(focused = null) {
    const wanted = this.search.value.trim().toLowerCase();
    const shown = wanted ? this.matching(wanted) : null;
    this.list.replaceChildren(...this.ordered(this.roots).map((value) => this.item(value, value, 1, shown)).filter(Boolean));
    const items = this.items();
    const target = items.find((item) => item.dataset.path === focused) || items.find((item) => item.getAttribute("aria-checked") === "true") || items[0];
    if (target) target.tabIndex = 0;
    if (focused && target) target.focus();
  }

  /** Return the terms whose label has the words, and all above them. */
  matching(wanted) {
    const shown = new Set();
    const add = (value) => { if (!shown.has(value)) { shown.add(value); (this.nodes.get(value)?.parents || []).forEach(add); } };
    for (const node of this.nodes.values()) if (node.label.toLowerCase().includes(wanted)) add(node.value);
    return shown;
  }

  item(value, path, depth, shown) {
    if (shown && !shown.has(value)) return null;
    const node = this.nodes.get(value);
    const below = this.ordered(this.children.get(value) || []);
    const open = below.length > 0 && (shown !== null || this.expanded.has(value));
    const on = this.chosen.has(value);
    const twist = h("span", { class: "twist", "aria-hidden": "true", on: { click: (event) => { event.stopPropagation(); this.expand(value, path, !open); } } }, below.length ? (open ? "\u25be" : "\u25b8") : "");
    const label = h("span", { class: "term", title: value }, h("span", { class: "check", "aria-hidden": "true" }, on ? "\u2713" : ""), h("span", { class: "name" }, node.label), h("span", { class: "count" }, number(node.count)));
    const item = h("li", {
      role: "treeitem", tabindex: "-1", "data-value": value, "data-path": path, "aria-level": depth, "aria-checked": String(on),
      "aria-label": `${node.label}, ${node.count}`, "aria-expanded": below.length ? String(open) : null,
    }, h("div", { class: "node", on: { click: () => this.choose(value, path) } }, twist, label));
    if (open) item.append(h("ul", { role: "group" }, below.map((child) => this.item(child, `${path}/${child}`, depth + 1, shown)).filter(Boolean)));
    return item;
  }

  items() {
    return [...this.list.querySelectorAll("[role=treeitem]")];
  }

  expand(value, path, open) {
    if (open) this.expanded.add(value);
    else this.expanded.delete(value);
    this.draw(path);
  }

  choose(value, path) {
    this.toggle(value, true, !this.chosen.has(value));
    this.draw(path);
  }

  pressed(event) {
    const item = event.target.closest("[role=treeitem]");
    if (!item) return;
    const items = this.items();
    const at = items.indexOf(item);
    const { value, path } = item.dataset;
    const open = item.getAttribute("aria-expanded");
    const go = (target) => { if (target) { items.forEach((each) => { each.tabIndex = -1; }); target.tabIndex = 0; target.focus(); } };
    const keys = {
      ArrowDown: () => go(items[at + 1]),
      ArrowUp: () => go(items[at - 1]),
      Home: () => go(items[0]),
      End: () => go(items[items.length - 1]),
      ArrowRight: () => (open === "false" ? this.expand(value, path, true) : open === "true" ? go(items[at + 1]) : null),
      ArrowLeft: () => (open === "true" && !this.search.value ? this.expand(value, path, false) : go(item.parentElement.closest("[role=treeitem]"))),
      " ": () => this.choose(value, path),
      Enter: () => this.choose(value, path),
    };
    if (event.key in keys && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      keys[event.key]();
    } else if (event.key.length === 1 && /\p{L}|\p{N}/u.test(event.key)) {
      const later = [...items.slice(at + 1), ...items.slice(0, at)];
      go(later.find((each) => each.getAttribute("aria-label").toLowerCase().startsWith(event.key.toLowerCase())));
    }
  }
}
