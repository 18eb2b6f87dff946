// The query as the builder holds it: CQL2 JSON whose root and whose acquisition conditions are always groups, so that
// something can be added to them. A `draft` stands for a condition that has a property and no value yet.

import { compares, joins } from "./cql.js";

/** Return an empty group. */
export const emptyGroup = (op = "and") => ({ op, args: [] });

/** Return the group itself, or a group of one. */
function grouped(node) {
  if (node === true) return emptyGroup();
  return joins(node) && !asTest(node) ? node : { op: "and", args: [node] };
}

/** Return a query from the server in the builder's form. */
export function fromServer(json) {
  return grouped(opened(json));
}

function opened(node) {
  if (!node || typeof node !== "object") return node;
  if (joins(node) || node.op === "not") return { op: node.op, args: node.args.map(opened) };
  if (node.op === "has") return { op: "has", args: [grouped(opened(node.args[0]))] };
  const counted = countOf(node);
  return counted ? counting(node.op, grouped(opened(counted)), node.args[1]) : node;
}

/** Return the condition that `count` counts by, or null. */
function countOf(node) {
  const first = compares(node.op) ? node.args[0] : null;
  return first && first.op === "count" ? first.args[0] : null;
}

const counting = (op, condition, n) => ({ op, args: [{ op: "count", args: [condition] }, n] });

/** Return the query without what is not finished: empty groups and drafts; null if nothing is left. */
export function finished(node) {
  if (!node || typeof node !== "object") return node;
  if (node.draft) return null;
  if (joins(node)) {
    const args = node.args.map(finished).filter((each) => each !== null);
    const flat = args.flatMap((each) => (each.op === node.op ? each.args : [each]));
    return flat.length === 0 ? null : flat.length === 1 ? flat[0] : { op: node.op, args: flat };
  }
  if (node.op === "not") {
    const inner = finished(node.args[0]);
    if (inner === null) return null;
    return inner.op === "not" ? inner.args[0] : { op: "not", args: [inner] };
  }
  if (node.op === "has") return { op: "has", args: [finished(node.args[0]) ?? true] };
  const counted = countOf(node);
  return counted ? counting(node.op, finished(counted) ?? true, node.args[1]) : node;
}

/** Remove what was begun and has no value. */
export function dropDrafts(node) {
  if (!node || !Array.isArray(node.args)) return;
  node.args = node.args.filter((each) => !(each && each.draft));
  node.args.forEach(dropDrafts);
}

/** Return `{quantity, n, group}` of a condition on acquisitions; null for any other. */
export function asAcquisition(node) {
  if (node.op === "has") return { quantity: "some", n: 1, group: node.args[0] };
  if (node.op === "not" && node.args[0].op === "has") return { quantity: "none", n: 1, group: node.args[0].args[0] };
  const counted = compares(node.op) ? countOf(node) : null;
  return counted ? { quantity: node.op, n: node.args[1], group: counted } : null;
}

/** Return the condition on acquisitions that `{quantity, n, group}` states. */
export function acquisition({ quantity, n, group }) {
  const has = { op: "has", args: [group] };
  if (quantity === "some") return has;
  return quantity === "none" ? { op: "not", args: [has] } : counting(quantity, group, n);
}

/** Return `{op, negated, group}` of a group; null for what is none. */
export function asGroup(node) {
  if (joins(node)) return { op: node.op, negated: false, group: node };
  if (node.op === "not" && joins(node.args[0]) && !asTest(node.args[0])) {
    return { op: node.args[0].op, negated: true, group: node.args[0] };
  }
  return null;
}

/**
 * Return what a condition on one property says, in the terms of its editor; null if no editor can say it.
 *
 * `form` is one of values (`items` of `{value, below}`), range (`low`, `high`, each with `Open` for excluded),
 * like (`pattern`), missing, present, words (`text`), period (`text`).
 */
export function asTest(node) {
  if (!node || typeof node !== "object") return null;
  if (node.draft) return { ...node.draft, negated: false };
  if (node.op === "not") {
    const inner = asTest(node.args[0]);
    if (!inner || inner.negated) return null;
    return inner.form === "missing" ? { ...inner, form: "present" } : { ...inner, negated: true };
  }
  if (node.op === "or") return alternatives(node.args.map(asTest));
  if (node.op === "and") return bounds(node.args.map(asTest));
  if (node.op === "matches" && node.args.length === 1) return { property: "*", negated: false, form: "words", text: node.args[0] };
  const first = node.args && node.args[0];
  return first && typeof first.property === "string" ? leaf(first.property, node.op, node.args.slice(1)) : null;
}

function leaf(property, op, [value, second]) {
  const said = { property, negated: false };
  if (value && typeof value === "object" && op !== "in") return null;
  if (op === "isNull") return { ...said, form: "missing" };
  if (op === "under") return { ...said, form: "values", items: [{ value, below: true }] };
  if (op === "=") return { ...said, form: "values", items: [{ value, below: false }] };
  if (op === "in") return { ...said, form: "values", items: value.map((each) => ({ value: each, below: false })) };
  if (op === "like") return { ...said, form: "like", pattern: value };
  if (op === "matches") return { ...said, form: "words", text: value };
  if (op === "within") return { ...said, form: "period", text: value };
  if (op === "between" && typeof value === "number") return { ...said, form: "range", low: value, high: second };
  if (typeof value !== "number") return null;
  if (op === ">=" || op === ">") return { ...said, form: "range", low: value, high: null, lowOpen: op === ">" };
  if (op === "<=" || op === "<") return { ...said, form: "range", low: null, high: value, highOpen: op === "<" };
  return null;
}

/** Values of one property, joined by OR, are one condition of the builder. */
function alternatives(tests) {
  const same = tests.every((test) => test && !test.negated && test.form === "values" && test.property === tests[0].property);
  return same && tests.length > 1 ? { ...tests[0], items: tests.flatMap((test) => test.items) } : null;
}

/** Two open bounds of one property, joined by AND within a group of their own, are one range. */
function bounds(tests) {
  if (tests.length !== 2 || tests.some((test) => !test || test.negated || test.form !== "range")) return null;
  const [low, high] = tests[0].low !== null ? tests : [tests[1], tests[0]];
  const whole = low.property === high.property && low.low !== null && low.high === null && high.low === null;
  return whole ? { ...low, high: high.high, highOpen: high.highOpen } : null;
}

/** Return the condition that an editor's terms state; a draft where they state nothing yet. */
export function fromTest(test) {
  const bare = plain(test);
  if (bare === null) return { draft: { property: test.property, level: test.level, form: test.form } };
  return test.negated ? { op: "not", args: [bare] } : bare;
}

function plain(test) {
  const property = { property: test.property };
  switch (test.form) {
    case "values": return valuesNode(property, test.items || []);
    case "range": return rangeNode(property, test);
    case "like": return test.pattern ? { op: "like", args: [property, test.pattern] } : null;
    case "missing": return { op: "isNull", args: [property] };
    case "present": return { op: "not", args: [{ op: "isNull", args: [property] }] };
    case "words": return wordsNode(property, test.text);
    case "period": return test.text ? { op: "within", args: [property, test.text] } : null;
    default: return null;
  }
}

function wordsNode(property, text) {
  if (!text || !text.trim()) return null;
  return { op: "matches", args: property.property === "*" ? [text] : [property, text] };
}

function valuesNode(property, items) {
  const exact = [...new Set(items.filter((item) => !item.below).map((item) => item.value))];
  const parts = items.filter((item) => item.below).map((item) => ({ op: "under", args: [property, item.value] }));
  if (exact.length === 1) parts.push({ op: "=", args: [property, exact[0]] });
  if (exact.length > 1) parts.push({ op: "in", args: [property, exact] });
  return parts.length === 0 ? null : parts.length === 1 ? parts[0] : { op: "or", args: parts };
}

function rangeNode(property, { low, high, lowOpen, highOpen }) {
  const hasLow = low !== null && low !== undefined;
  const hasHigh = high !== null && high !== undefined;
  if (!hasLow && !hasHigh) return null;
  const above = { op: lowOpen ? ">" : ">=", args: [property, low] };
  const below = { op: highOpen ? "<" : "<=", args: [property, high] };
  if (!hasHigh) return above;
  if (!hasLow) return below;
  if (lowOpen || highOpen) return { op: "and", args: [above, below] };
  return low === high ? { op: "=", args: [property, low] } : { op: "between", args: [property, low, high] };
}
