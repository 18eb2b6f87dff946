// The query as nested groups of conditions, built by clicking.

import { textOf } from "./cql.js";
import { h } from "./dom.js";
import { openEditor } from "./editor.js";
import { CHOICES, line, quantity, testPhrase } from "./phrases.js";
import { pickProperty } from "./picker.js";
import { acquisition, asAcquisition, asGroup, asTest, emptyGroup, finished, fromServer, fromTest } from "./tree.js";

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
  }

  /** Show a query as the server states it. */
  show(json) {
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
    this.editing = null;
    this.element.replaceChildren(this.group(this.root, { level: "participant", root: true }));
  }

  /** Draw anew after a change of structure, and tell. `focus` chooses what is then in focus. */
  restructured(focus) {
    this.render();
    this.changed();
    const target = focus && this.element.querySelector(focus);
    (target || this.element.querySelector(".add-condition")).focus();
  }

  group(group, { level, root = false }) {
    const list = h("ul", { class: "conditions" });
    group.args.forEach((_, index) => list.append(this.item(group, index, level)));
    const everybody = root && !group.args.length ? h("p", { class: "everybody" }, "Everybody. Add a condition to narrow the answer down, or click a value beside it.") : null;
    return h("div", { class: root ? "group root" : "group" }, everybody, list, this.adders(group, level, root));
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
      this.element.querySelector(".add-condition").focus();
    } else {
      row.classList.remove("wrong");
    }
  }

  images(group, index, images) {
    const put = (change) => {
      group.args[index] = acquisition({ ...images, ...change });
      this.restructured(`[data-images="${index}"]`);
    };
    const counted = images.quantity !== "some" && images.quantity !== "none";
    const choices = CHOICES.includes(images.quantity) ? CHOICES : [...CHOICES, images.quantity];
    const select = h("select", { "aria-label": "How many acquisitions", "data-images": index, on: { change: (event) => put({ quantity: event.target.value, n: counted ? images.n : 2 }) } },
      choices.map((name) => h("option", { value: name, selected: name === images.quantity }, quantity(name))));
    const n = counted ? h("input", { type: "number", min: "0", step: "1", value: images.n, "aria-label": "Number of acquisitions", on: { change: (event) => put({ n: Math.max(0, Math.round(Number(event.target.value) || 0)) }) } }) : null;
    const within = h("select", { "aria-label": "How conditions on the acquisition are joined", on: { change: (event) => { images.group.op = event.target.value; this.restructured(`[data-images="${index}"]`); } } },
      WITHIN.map(([op, name]) => h("option", { value: op, selected: op === images.group.op }, name)));
    const head = h("div", { class: "line head" }, h("span", {}, "has"), select, n, h("span", {}, "acquisition with"), within, h("span", {}, "these:"), this.remover(group, index, "the condition on acquisitions"));
    return h("div", { class: "box images", role: "group", "aria-label": "Has an acquisition with" }, head, this.group(images.group, { level: "acquisition" }));
  }

  nested(group, index, inner, level) {
    const change = (event) => {
      const [op, negated] = GROUPS[Number(event.target.value)];
      inner.group.op = op;
      group.args[index] = negated ? { op: "not", args: [inner.group] } : inner.group;
      this.restructured(`[data-group="${index}"]`);
    };
    const select = h("select", { "aria-label": "How the conditions of this group are joined", "data-group": index, on: { change } },
      GROUPS.map(([op, negated, name], at) => h("option", { value: at, selected: op === inner.op && negated === inner.negated }, name)));
    const head = h("div", { class: "line head" }, select, this.remover(group, index, "the group"));
    return h("div", { class: "box", role: "group", "aria-label": "Group of conditions" }, head, this.group(inner.group, { level }));
  }

  remover(group, index, what) {
    const remove = () => { group.args.splice(index, 1); this.restructured(null); };
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
      const images = () => { group.args.push({ op: "has", args: [emptyGroup()] }); this.restructured(null); this.last(".images .add-condition").click(); };
      bar.append(adder("+ Acquisition with \u2026", images, "add-images"));
    }
    const nested = () => { group.args.push(emptyGroup(group.op === "or" ? "and" : "or")); this.restructured(null); this.last(".box .box .add-condition, .box .add-condition").click(); };
    bar.append(adder(root || group.op === "and" ? "+ Any of \u2026" : "+ All of \u2026", nested, "add-group"));
    return bar;
  }

  last(selector) {
    return [...this.element.querySelectorAll(selector)].pop();
  }

  /** Add a condition on a property to a group, and open its editor. */
  add(group, level, info) {
    const draft = { draft: { property: info.name, level: info.level, form: info.form } };
    const holder = level === "participant" && info.level === "acquisition" ? { op: "and", args: [draft] } : null;
    group.args.push(holder ? { op: "has", args: [holder] } : draft);
    this.render();
    this.openDraft();
  }

  /** Open the editor of a participant's property: of the condition that there is, or of a new one. */
  refine(info) {
    const there = [...this.element.querySelectorAll(".root > .conditions > .item > .condition")].find((row) => row.dataset.property === info.name);
    if (!there) this.add(this.root, "participant", info);
    else if (!this.editing || this.editing.row !== there) there.querySelector(".phrase").click();
    this.element.scrollIntoView({ block: "nearest" });
  }

  openDraft() {
    const rows = [...this.element.querySelectorAll(".condition")];
    const row = rows.find((each) => each.querySelector(".phrase em"));
    if (row) row.querySelector(".phrase").click();
  }

  /** Mark the conditions on a property that an error is about. */
  blame(property) {
    for (const row of this.element.querySelectorAll(".condition")) {
      row.classList.toggle("wrong", Boolean(property) && row.dataset.property === property);
    }
  }
}
