// Conditions in words.

import { textOf } from "./cql.js";
import { number, words } from "./dom.js";

const QUANTITIES = { some: "at least one", none: "no", ">=": "at least", "<=": "at most", "=": "exactly", ">": "more than", "<": "fewer than", "<>": "any number but" };

/** The quantities that a person may choose, in order. */
export const CHOICES = ["some", "none", ">=", "=", "<="];

/** Return a quantity in words. */
export const quantity = (name) => QUANTITIES[name];

/** Return a value in words; `labels` has those of terms and datasets. */
export function valueText(value, labels) {
  if (value === true) return "yes";
  if (value === false) return "no";
  return labels.get(value) || number(value);
}

/** Return a property's name in words. */
export function propertyText(name) {
  if (name === "*") return "any text";
  return name.startsWith("dataset.") ? `dataset's ${words(name.slice(8))}` : words(name);
}

function listed(texts) {
  const shown = texts.length > 5 ? [...texts.slice(0, 4), `${texts.length - 4} more`] : texts;
  return shown.length > 1 ? `${shown.slice(0, -1).join(", ")} or ${shown[shown.length - 1]}` : shown[0];
}

function rangeText({ low, high, lowOpen, highOpen }) {
  const has = (bound) => bound !== null && bound !== undefined;
  if (has(low) && has(high) && !lowOpen && !highOpen) return low === high ? `is ${low}` : `from ${low} to ${high}`;
  const parts = [];
  if (has(low)) parts.push(`${lowOpen ? "above" : "at least"} ${low}`);
  if (has(high)) parts.push(`${highOpen ? "below" : "at most"} ${high}`);
  return parts.join(" and ");
}

/** Return `{property, verb, value}` of a condition on one property. */
export function testPhrase(test, labels) {
  const property = propertyText(test.property);
  const no = test.negated;
  switch (test.form) {
    case "values": {
      const items = test.items || [];
      const below = items.some((item) => item.below);
      const texts = items.map((item) => valueText(item.value, labels));
      return { property, verb: no ? "is not" : "is", value: listed(texts) || "", below };
    }
    case "range": return { property, verb: no ? "is not" : "", value: rangeText(test) };
    case "like": return { property, verb: no ? "does not match" : "matches", value: likeText(test.pattern) };
    case "missing": return { property, verb: "", value: no ? "has a value" : "is missing" };
    case "present": return { property, verb: "", value: no ? "is missing" : "has a value" };
    case "words": return { property, verb: no ? "does not mention" : "mentions", value: test.text || "" };
    case "period": return { property, verb: no ? "is not within" : "is within", value: (test.text || "").replace("/", " to ") };
    default: return { property, verb: "", value: "" };
  }
}

function likeText(pattern) {
  const contained = /^%([^%_\\]*)%$/.exec(pattern || "");
  return contained ? `\u2026${contained[1]}\u2026` : pattern || "";
}

/** Return a whole condition as one line, for labels of buttons. */
export function line(node, test, labels) {
  if (!test) return textOf(node);
  const { property, verb, value } = testPhrase(test, labels);
  return [property, verb, value].filter(Boolean).join(" ");
}
