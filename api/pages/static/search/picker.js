// Choosing a property: search as you type among those that there are, in the place where it will be used.

import { Combobox } from "./combobox.js";
import { h, number } from "./dom.js";
import { propertyText } from "./phrases.js";
import { properties } from "./server.js";

const KINDS = { term: "term", number: "number", text: "text", boolean: "yes or no" };
const PLACES = { participant: "The person", acquisition: "One of their acquisitions", dataset: "The dataset", words: "Any text" };

function place(info) {
  return info.name === "*" ? "words" : info.name.startsWith("dataset") ? "dataset" : info.level;
}

function option(info) {
  const kinds = info.kinds.includes("term") ? ["term"] : info.kinds;
  const has = info.count ? `${number(info.count)} ${info.count === 1 ? "has" : "have"} it` : "";
  return {
    label: propertyText(info.name),
    detail: [kinds.map((kind) => KINDS[kind] || kind).join(", "), has].filter(Boolean).join(" \u00b7 "),
    group: PLACES[place(info)],
    also: info.name,
    info,
  };
}

async function options(level) {
  const known = await properties();
  const wanted = known.filter((info) => level === "participant" || info.level === level);
  const order = ["participant", "words", "acquisition", "dataset"];
  const extra = level === "participant" ? [{ name: "*", level, kinds: ["text"], count: 0, form: "words" }] : [];
  if (!wanted.some((info) => info.name === "dataset")) extra.push({ name: "dataset", level, kinds: ["text"], count: 0 });
  return [...wanted, ...extra].sort((a, b) => order.indexOf(place(a)) - order.indexOf(place(b)) || (b.count || 0) - (a.count || 0)).map(option);
}

/** Ask for a property where the button stood; `bar` is put back when one is chosen or nothing is. */
export async function pickProperty({ bar, level, chosen, cancelled }) {
  const before = [...bar.childNodes];
  const restore = () => bar.replaceChildren(...before);
  const field = new Combobox({
    label: level === "participant" ? "Which property of the person or of their acquisitions?" : "Which property of the acquisition?",
    placeholder: "age, diagnosis, suffix \u2026",
    choose: (item) => { restore(); chosen(item.info); },
    cancel: () => { restore(); cancelled(); },
  });
  bar.replaceChildren(field.element);
  field.focus();
  try {
    field.offer(await options(level));
  } catch (error) {
    bar.append(h("p", { class: "error", role: "alert" }, error.message));
  }
}
