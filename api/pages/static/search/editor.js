// The editor of one condition: which form it has, what it says, and whether those are left out. Each change counts at
// once; the values offered carry the counts of the rest of the query.

import { h, number, uniqueId } from "./dom.js";
import { propertyText } from "./phrases.js";
import { property, spread } from "./server.js";
import { rangeFields } from "./edit_range.js";
import { periodField, wordsField, likeField } from "./edit_text.js";
import { valueFields } from "./edit_values.js";

const FORMS = {
  values: ["is one of", valueFields],
  range: ["lies in a range", rangeFields],
  like: ["contains the text", likeField],
  words: ["mentions the words", wordsField],
  period: ["lies within a period", periodField],
  present: ["has a value", null],
  missing: ["is missing", null],
};

// What is written rather than chosen.
const WORDY = /(^|[._])(description|title|comments?|notes?|report|instructions)$/;

/** Return the forms that a property's conditions can have, the usual one first. */
function formsOf(info, test) {
  if (test.property === "*") return ["words"];
  const forms = WORDY.test(test.property) ? ["words"] : [];
  if (info.kinds.includes("number")) forms.push("range");
  forms.push("values");
  if (info.kinds.includes("text") || info.kinds.includes("term")) forms.push("like", ...(forms[0] === "words" ? [] : ["words"]));
  if (info.examples.some((example) => /^'\d{4}-\d\d/.test(example))) forms.push("period");
  forms.push("present", "missing");
  return test.form && !forms.includes(test.form) ? [test.form, ...forms] : forms;
}

/** Open the editor of `test`; `change(test)` tells of each change, `close()` asks to be closed. */
export function openEditor({ test, level, labels, context, change, close }) {
  const asking = new AbortController();
  const body = h("div", { class: "body" }, h("p", { class: "waiting" }, "Counting \u2026"));
  const title = propertyText(test.property);
  const done = h("button", { type: "button", on: { click: close } }, "Done");
  const element = h("div", { class: "editor", role: "group", "aria-label": `Condition on ${title}`, on: { keydown: (event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } } } }, body, h("div", { class: "actions" }, done));
  let wantsFocus = false;
  let current = { ...test };
  const tell = (said) => { current = { ...current, ...said }; change(current); };

  async function start() {
    const info = await property(test.property, level);
    current.form ??= formsOf(info, current)[0];
    frame(info);
  }

  function frame(info) {
    const forms = formsOf(info, current);
    const fields = h("div", { class: "fields" });
    const form = h("select", { "aria-label": `What is asked about ${title}` }, forms.map((name) => h("option", { value: name, selected: name === current.form }, FORMS[name][0])));
    const exclude = uniqueId("exclude");
    const box = h("input", { type: "checkbox", id: exclude, checked: current.negated, on: { change: () => tell({ negated: box.checked }) } });
    const leaveOut = h("span", { class: "exclude" }, box, h("label", { for: exclude }, "leave these out instead"));
    form.addEventListener("change", () => {
      current = { property: current.property, level: current.level, negated: current.negated, form: form.value };
      change(current);
      show(info, fields);
    });
    body.replaceChildren(h("div", { class: "line" }, forms.length > 1 ? form : null, has(info), leaveOut), fields);
    show(info, fields);
  }

  async function show(info, fields) {
    const draw = FORMS[current.form][1];
    if (!draw) {
      fields.replaceChildren();
      change(current);
      return;
    }
    const ask = () => spread(context(), info, asking.signal);
    try {
      fields.replaceChildren(await draw({ test: current, info, labels, tell, ask }));
    } catch (error) {
      if (error.name === "AbortError") return;
      fields.replaceChildren(h("p", { class: "error", role: "alert" }, error.message));
    }
    if (wantsFocus) focus();
  }

  function focus() {
    const first = body.querySelector(".fields [data-first], .fields input, .fields [tabindex='0']");
    wantsFocus = !first;
    (first || done).focus({ preventScroll: !first });
  }

  start().catch((error) => body.replaceChildren(h("p", { class: "error", role: "alert" }, error.message)));
  return { element, focus, dispose: () => asking.abort() };
}

function has(info) {
  if (!info.count) return null;
  const whom = info.level === "acquisition" ? "acquisitions have it" : "have it";
  return h("small", {}, `${number(info.count)} ${whom}`);
}
