// The query as nested groups of conditions, built by clicking.

import { textOf } from "./cql.js";
import { h } from "./dom.js";
import { openEditor } from "./editor.js";
import { CHOICES, line, quantity, testPhrase } from "./phrases.js";
import { pickProperty } from "./picker.js";
import { acquisition, asAcquisition, asGroup, asTest, dropDrafts, emptyGroup, finished, fromServer, fromTest } from "./tree.js";

const GROUPS = [["and", false, "all of these hold"], ["or", false, "any of these holds"], ["or", true, "none of these holds"], ["and", true, "not all of these hold"]];
const WITHIN = [["and", "all of"], ["or", "any of"]];

export class Builder {
  /** `changed()` is called after each change; `labels` is a Map of values to words. */
  constructor(element, { changed, labels }) {
    this.element = element;
    this.changed = changed;
    this.labels = labels;
    this.root = emptyGroup();
    this.editing = null;
    this.unread = false;
  }

  /** Show a query as the server states it. */
  show(json, { unread = false } = {}) {
    this.unread = unread;
    this.root = fromServer(json);
    this.render();
  }

  /** Return the query as text; without conditions the empty text. */
  get text() {
    const done = finished(this.root);
    return done === null ? "" : textOf(done);
  }

  /** Return the text of the query without one condition: what that condition chooses from. */
  textWithout(args, index) {
    const [kept] = args.splice(index, 1, { draft: {} });
    const text = this.text;
    args.splice(index, 1, kept);
    return text || "TRUE";
  }

  render() {
    if (this.editing) this.editing.editor.dispose();
    this.editing = null;
    this.boxes = new Map();
    this.element.replaceChildren(this.group(this.root, { level: "participant", root: true }));
  }

  /** Draw anew after a change of structure, and tell; then `part` of the group's head, or its way to add, is in focus. */
  restructured(group, part = null) {
    this.unread = false;
    this.render();
    this.changed();
    const box = this.boxes.get(group) || this.boxes.get(this.root);
    (part ? box.parentElement.querySelector(part) : box.querySelector(":scope > .adders > .add-condition")).focus();
  }

  group(group, { level, root = false }) {
    const list = h("ul", { class: "conditions" });
    group.args.forEach((_, index) => list.append(this.item(group, index, level)));
    const everybody = root && !group.args.length ? h("p", { class: "everybody" }, this.unread ? "The query below has a mistake. Mend it there, or add a condition here to begin anew." : "Everybody. Add a condition to narrow the answer down, or click a value beside it.") : null;
    const box = h("div", { class: root ? "group root" : "group" }, everybody, list, this.adders(group, level, root));
    this.boxes.set(group, box);
    return box;
  }

  item(group, index, level) {
    const node = group.args[index];
    const joint = h("span", { class: "joint" }, index === 0 ? "" : group.op);
    const images = level === "participant" ? asAcquisition(node) : null;
    const test = images ? null : asTest(node);
    const inner = images || test ? null : asGroup(node);
    const content = images ? this.images(group, index, images) : inner ? this.nested(group, index, inner, level) : this.test(group, index, test, level);
    return h("li", { class: "item" }, joint, content);
  }

  test(group, index, test, level) {
    const remove = this.remover(group, index, line(group.args[index], test, this.labels));
    if (!test) {
      const text = h("code", {}, textOf(group.args[index]));
      return h("div", { class: "condition raw" }, h("div", { class: "line" }, h("span", { class: "phrase" }, text, " ", h("small", {}, "edit it as text below")), remove));
    }
    const phrase = h("button", { type: "button", class: "phrase", "aria-expanded": "false" });
    const row = h("div", { class: "condition", "data-property": test.property }, h("div", { class: "line" }, phrase, remove));
    this.write(phrase, test);
    phrase.addEventListener("click", () => this.edit({ group, index, level, row, phrase }));
    return row;
  }

  write(phrase, test) {
    const said = testPhrase(test, this.labels);
    const value = said.value ? h("strong", {}, said.value) : h("em", {}, "choose");
    phrase.replaceChildren(h("span", { class: "property" }, said.property), ` ${said.verb} `.replace(/ {2}/, " "), value);
    if (said.below) phrase.append(h("span", { class: "below" }, " or narrower"));
    const remove = phrase.parentElement && phrase.parentElement.querySelector(".remove");
    if (remove) remove.setAttribute("aria-label", `Remove: ${line(null, test, this.labels)}`);
  }

  /** Open or close the editor of a condition; one is open at a time. */
  edit(place) {
    const open = this.editing;
    if (open) {
      this.close();
      if (open.row === place.row || !place.row.isConnected) return;
    }
    const { group, index, level, row, phrase } = place;
    const editor = openEditor({
      test: { ...asTest(group.args[index]), level },
      level,
      labels: this.labels,
      context: () => this.textWithout(group.args, index),
      change: (test) => {
        group.args[index] = fromTest({ ...test, level });
        this.write(phrase, test);
        this.changed();
      },
      close: () => { this.close(); if (phrase.isConnected) phrase.focus(); },
    });
    this.editing = { ...place, editor };
    phrase.setAttribute("aria-expanded", "true");
    row.append(editor.element);
    editor.focus();
  }

  close() {
    const { group, index, row, phrase, editor } = this.editing;
    this.editing = null;
    editor.dispose();
    editor.element.remove();
    phrase.setAttribute("aria-expanded", "false");
    if (group.args[index] && group.args[index].draft) {
      group.args.splice(index, 1);
      this.render();
      this.boxes.get(group)?.querySelector(":scope > .adders > .add-condition").focus();
    } else {
      row.classList.remove("wrong");
    }
  }

  images(group, index, images) {
    const put = (change) => {
      group.args[index] = acquisition({ ...images, ...change });
      this.restructured(images.group, "select");
    };
    const counted = images.quantity !== "some" && images.quantity !== "none";
    const choices = CHOICES.includes(images.quantity) ? CHOICES : [...CHOICES, images.quantity];
    const derived = images.group.args.some((each) => each.op === "=" && each.args[0].property === "derived" && each.args[1] === true);
    const select = h("select", { "aria-label": "How many acquisitions", on: { change: (event) => put({ quantity: event.target.value, n: counted ? images.n : 2 }) } },
      choices.map((name) => h("option", { value: name, selected: name === images.quantity }, quantity(name))));
    const n = counted ? h("input", { type: "number", min: "0", step: "1", value: images.n, "aria-label": "Number of acquisitions", on: { change: (event) => put({ n: Math.max(0, Math.round(Number(event.target.value) || 0)) }) } }) : null;
    const within = h("select", { "aria-label": "How conditions on the acquisition are joined", "data-within": true, on: { change: (event) => { images.group.op = event.target.value; this.restructured(images.group, "select[data-within]"); } } },
      WITHIN.map(([op, name]) => h("option", { value: op, selected: op === images.group.op }, name)));
    const head = h("div", { class: "line head" }, h("span", {}, "has"), select, n, h("span", {}, derived ? "result of a pipeline with" : "acquisition with"), within, h("span", {}, "these:"), this.remover(group, index, "the condition on acquisitions"));
    return h("div", { class: "box images", role: "group", "aria-label": "Has an acquisition with" }, head, this.group(images.group, { level: "acquisition" }));
  }

  nested(group, index, inner, level) {
    const change = (event) => {
      const [op, negated] = GROUPS[Number(event.target.value)];
      inner.group.op = op;
      group.args[index] = negated ? { op: "not", args: [inner.group] } : inner.group;
      this.restructured(inner.group, "select");
    };
    const select = h("select", { "aria-label": "How the conditions of this group are joined", on: { change } },
      GROUPS.map(([op, negated, name], at) => h("option", { value: at, selected: op === inner.op && negated === inner.negated }, name)));
    const head = h("div", { class: "line head" }, select, this.remover(group, index, "the group"));
    return h("div", { class: "box", role: "group", "aria-label": "Group of conditions" }, head, this.group(inner.group, { level }));
  }

  remover(group, index, what) {
    const remove = () => { group.args.splice(index, 1); this.restructured(group); };
    return h("button", { type: "button", class: "remove", "aria-label": `Remove: ${what}`, title: "Remove", on: { click: remove } }, "\u00d7");
  }

  adders(group, level, root) {
    const bar = h("div", { class: "adders" });
    const people = level === "participant";
    const adder = (name, added, className) => h("button", { type: "button", class: className, on: { click: added } }, name);
    const pick = () => pickProperty({
      bar, level,
      chosen: (info) => this.add(group, level, info),
      cancelled: () => { bar.querySelector(".add-condition").focus(); },
    });
    bar.append(adder("+ Condition", pick, "add-condition"));
    if (people) {
      const images = (...args) => this.nest(group, (inner) => ({ op: "has", args: [inner] }), { op: "and", args });
      bar.append(adder("+ Acquisition with \u2026", () => images(), "add-images"));
      bar.append(adder("+ Result of a pipeline \u2026", () => images({ op: "=", args: [{ property: "derived" }, true] }), "add-derived"));
    }
    const nested = () => this.nest(group, (inner) => inner, emptyGroup(group.op === "or" ? "and" : "or"));
    bar.append(adder(root || group.op === "and" ? "+ Any of \u2026" : "+ All of \u2026", nested, "add-group"));
    return bar;
  }

  /** Add a group to a group, and ask for its first condition. */
  nest(group, wrapped, inner) {
    group.args.push(wrapped(inner));
    this.restructured(inner);
    this.boxes.get(inner).querySelector(":scope > .adders > .add-condition").click();
  }

  /** Add a condition on a property to a group, and open its editor. */
  add(group, level, info) {
    const draft = { draft: { property: info.name, level: info.level, form: info.form } };
    dropDrafts(this.root);
    const holder = level === "participant" && info.level === "acquisition" ? { op: "and", args: [draft] } : null;
    group.args.push(holder ? { op: "has", args: [holder] } : draft);
    this.render();
    this.boxes.get(holder || group).querySelector(":scope > .conditions > .item:last-child .phrase").click();
  }

  /** Open the editor of a participant's property: of the condition that there is, or of a new one. */
  refine(info) {
    const there = [...this.element.querySelectorAll(".root > .conditions > .item > .condition")].find((row) => row.dataset.property === info.name);
    if (!there) this.add(this.root, "participant", info);
    else if (!this.editing || this.editing.row !== there) there.querySelector(".phrase").click();
    this.element.scrollIntoView({ block: "nearest" });
  }

  /** Mark the conditions on a property that an error is about. */
  blame(property) {
    for (const row of this.element.querySelectorAll(".condition")) {
      row.classList.toggle("wrong", Boolean(property) && row.dataset.property === property);
    }
  }
}
