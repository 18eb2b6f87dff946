// Conditions that are written: a part of a text, words anywhere, a period.

import { debounced, h, uniqueId } from "./dom.js";

function field({ name, value, hint, type = "text", changed }) {
  const id = uniqueId("text");
  const later = debounced(() => changed(input.value), 250);
  const input = h("input", { id, type, value, autocomplete: "off", on: { input: later } });
  return h("div", { class: "written" }, h("label", { for: id }, name), input, hint ? h("p", { class: "hint" }, hint) : null);
}

const escaped = (text) => text.replace(/[%_\\]/g, "\\$&");
const unescaped = (pattern) => pattern.replace(/^%|%$/g, "").replace(/\\(.)/g, "$1");

/** A part of a text. */
export function likeField({ test, tell }) {
  const value = test.pattern ? unescaped(test.pattern) : "";
  return field({ name: "Contains", value, changed: (text) => tell({ pattern: text.trim() ? `%${escaped(text.trim())}%` : "" }) });
}

/** Words, in any order. */
export function wordsField({ test, tell }) {
  const hint = test.property === "*" ? "All of the words, in any order, in any value or description of the person." : "All of the words, in any order.";
  return field({ name: "Words", value: test.text || "", hint, changed: (text) => tell({ text: text.trim() }) });
}

/** A period: between two days, or what else the text says (durations, of ages). */
export function periodField({ test, tell }) {
  const [from, to] = (test.text || "../..").split("/").map((end) => (end === ".." || end === undefined ? "" : end));
  const type = [from, to].every((end) => /^$|^\d{4}-\d\d-\d\d$/.test(end)) ? "date" : "text";
  const ends = { from, to };
  const set = (name) => (value) => {
    ends[name] = value.trim();
    tell({ text: ends.from || ends.to ? `${ends.from || ".."}/${ends.to || ".."}` : "" });
  };
  return h("div", { class: "line period" },
    field({ name: "From", type, value: from, changed: set("from") }),
    field({ name: "Until", type, value: to, changed: set("to") }));
}
