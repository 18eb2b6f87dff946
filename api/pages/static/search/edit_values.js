// Choosing among values: a tree of terms where the property has them, and a list of the other values.

import { h, number, uniqueId } from "./dom.js";
import { valueText } from "./phrases.js";
import { TermTree } from "./termtree.js";

const FILTERED_FROM = 9;

/** Return the fields that choose values of a property. */
export async function valueFields({ test, info, labels, tell, ask }) {
  const { facet, tree } = await ask();
  for (const item of [...facet, ...(tree || [])]) if (item.label && item.label !== item.value) labels.set(item.value, item.label);
  const chosen = new Map((test.items || []).map((item) => [item.value, item]));
  const toggle = (value, below, on) => {
    if (on) chosen.set(value, { value, below });
    else chosen.delete(value);
    tell({ items: [...chosen.values()] });
  };
  const inTree = new Set((tree || []).map((node) => node.value));
  const listed = facet.filter((value) => !inTree.has(value.value));
  const elsewhere = [...chosen.values()].filter((item) => !inTree.has(item.value) && !listed.some((each) => each.value === item.value));
  const kept = elsewhere.map((item) => ({ ...item, label: valueText(item.value, labels), count: null }));
  const values = info.kinds.includes("boolean") ? withBoth(listed) : listed;
  const box = h("div", { class: "choices" });
  if (kept.length && (inTree.size || values.length)) box.append(list(kept, chosen, toggle, labels, "Chosen"));
  if (inTree.size) box.append(new TermTree({ nodes: tree, chosen, toggle, name: info.name }).element);
  if (values.length) box.append(list(values, chosen, toggle, labels, inTree.size ? "Not mapped to a term" : null));
  if (!inTree.size && !values.length) box.append(typed(chosen, tell));
  return box;
}

function withBoth(values) {
  return [true, false].map((value) => values.find((item) => item.value === value) || { value, label: "", count: 0 });
}

function list(values, chosen, toggle, labels, heading) {
  const items = values.map((item) => {
    const id = uniqueId("value");
    const box = h("input", { type: "checkbox", id, checked: chosen.has(item.value), on: { change: () => toggle(item.value, Boolean(item.below), box.checked) } });
    const label = item.label && typeof item.value !== "boolean" ? item.label : valueText(item.value, labels);
    return { text: String(label).toLowerCase(), element: h("li", {}, box, h("label", { for: id }, label, item.below ? h("small", {}, " or narrower") : null), h("span", { class: "count" }, item.count === null ? "" : number(item.count))) };
  });
  const ul = h("ul", { class: "values" }, items.map((item) => item.element));
  const parts = [heading ? h("h4", {}, heading) : null];
  if (values.length >= FILTERED_FROM) parts.push(filter(items));
  return h("div", {}, parts, ul);
}

function filter(items) {
  const apply = (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const item of items) item.element.hidden = !item.text.includes(wanted);
  };
  return h("input", { type: "text", class: "filter", placeholder: "Find among these values", "aria-label": "Find among these values", "data-first": true, on: { input: apply } });
}

/** A field for values that nobody in the rest of the answer has. */
function typed(chosen, tell) {
  const id = uniqueId("typed");
  const input = h("input", { type: "text", id, value: [...chosen.keys()].join("; "), on: { change: () => tell({ items: input.value.split(";").map((each) => each.trim()).filter(Boolean).map((value) => ({ value, below: false })) }) } });
  return h("div", {}, h("p", {}, "Nobody in the rest of the answer has a value. You can still write one."), h("label", { for: id }, "Values, separated by semicolons"), input);
}
