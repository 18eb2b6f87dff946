// The answer: the part of the page that the server renders anew for each query.

import { Problem, answer as fetchAnswer } from "./server.js";

const PAUSE = 700;

/** Put `found` in the place of `old`, keeping the focus and what was opened. */
function swap(old, found) {
  const focused = old.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const opened = [...old.querySelectorAll("details[open][data-key]")].map((each) => each.dataset.key);
  old.replaceWith(found);
  const keyed = (name) => found.querySelector(`[data-key="${CSS.escape(name)}"]`);
  for (const name of opened) {
    const details = keyed(name);
    if (details) details.open = true;
  }
  if (!focused) return;
  const target = keyed(focused);
  if (target) target.focus({ preventScroll: true });
  else document.getElementById("count").focus({ preventScroll: true });
}

export class Answer {
  /** `follow(query)` is called when a link of the answer leads to another query. */
  constructor({ labels, follow }) {
    this.labels = labels;
    this.follow = follow;
    this.asking = null;
    this.element = document.getElementById("answer");
    this.problem = document.getElementById("problem");
    this.count = document.getElementById("count");
    document.querySelector("main").addEventListener("click", (event) => this.clicked(event));
  }

  /** Take in what the answer on the page says of itself. */
  adopt() {
    const { tree, labels, freezable } = this.element.dataset;
    for (const part of document.querySelectorAll("[data-freeze]")) part.hidden = freezable !== "yes";
    this.tree = tree ? JSON.parse(tree) : true;
    for (const [value, label] of Object.entries(labels ? JSON.parse(labels) : {})) this.labels.set(value, label);
  }

  /**
   * Ask, show, and return `{tree, problem, count}`; null when a later question came in between.
   *
   * Somebody who is `typing` is not told of a mistake before a pause: most are only half of what is meant.
   */
  async ask(query, { cursor = null, typing = false } = {}) {
    if (this.asking) this.asking.abort();
    const asking = new AbortController();
    this.asking = asking;
    const busy = setTimeout(() => this.element.setAttribute("aria-busy", "true"), 200);
    const parameters = new URLSearchParams({ q: query, show: this.element.dataset.show || "" });
    if (cursor) parameters.set("cursor", cursor);
    const begun = performance.now();
    try {
      const found = await fetchAnswer(parameters, asking.signal);
      if (typing && found.querySelector("#new-problem")) {
        await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
        if (asking.signal.aborted) return null;
      }
      this.show(found);
    } catch (error) {
      if (error.name === "AbortError") return null;
      this.fail(error);
    } finally {
      clearTimeout(busy);
    }
    performance.measure("sillage-refinement", { start: begun, end: performance.now() });
    return { tree: this.tree, problem: this.blamed, count: Number(this.element.dataset.count || 0) };
  }

  show(found) {
    const problem = found.querySelector("#new-problem");
    document.querySelector(".countbar [data-why]").hidden = Boolean(problem);
    this.blamed = problem ? problem.dataset.field || "" : null;
    this.problem.replaceChildren(...(problem ? problem.childNodes : []));
    document.querySelector("form.query").elements.q.toggleAttribute("aria-invalid", Boolean(problem));
    if (problem) {
      this.element.removeAttribute("aria-busy");
      this.element.classList.add("stale");
      return;
    }
    swap(this.element, found);
    this.element = found;
    this.adopt();
    const { countText } = found.dataset;
    if (this.count.textContent !== countText) this.count.textContent = countText;
  }

  fail(error) {
    this.blamed = "";
    this.element.removeAttribute("aria-busy");
    const box = document.createElement("div");
    box.className = "error";
    box.setAttribute("role", "alert");
    box.textContent = error instanceof Problem ? error.message : "The server could not be reached. What is shown may be old.";
    this.problem.replaceChildren(box);
  }

  /** Links to other queries are followed without leaving the page. */
  clicked(event) {
    const link = event.target.closest("a[href]");
    if (!link || link.dataset.range || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return;
    const address = new URL(link.href);
    if (address.origin !== location.origin || address.pathname !== "/" || !address.searchParams.has("q")) return;
    event.preventDefault();
    const query = address.searchParams.get("q");
    if (address.searchParams.has("cursor")) {
      this.ask(query, { cursor: address.searchParams.get("cursor") }).then(() => document.getElementById("count").scrollIntoView());
    } else {
      this.follow(query);
    }
  }
}
