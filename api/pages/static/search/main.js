// The search page: builder, text and answer kept together. The address holds the query, so that it can be shared,
// bookmarked and gone back to.

import { Answer } from "./answer.js";
import { Builder } from "./builder.js";
import { Completion } from "./completion.js";
import { debounced } from "./dom.js";
import { Panels } from "./panels.js";
import { property } from "./server.js";

const TYPING = 350;
const CLICKING = 60;

function start() {
  const form = document.querySelector("form.query");
  const text = form.elements.q;
  const labels = new Map();
  const answer = new Answer({ labels, follow: (query) => set(query, { record: true }) });
  const builder = new Builder(document.getElementById("builder"), { labels, changed: built });
  const panels = new Panels(() => text.value.trim());
  let shown = text.value;

  const askSoon = debounced(() => ask({ rebuild: false }), CLICKING);
  const askTyped = debounced(() => ask({ rebuild: true, typed: true }), TYPING);

  function built() {
    text.value = builder.text;
    fit();
    askSoon();
  }

  /** Show another query, from a link or from history. */
  function set(query, { record }) {
    text.value = query;
    fit();
    ask({ rebuild: true, record });
  }

  /**
   * Ask; what is typed is remembered once it makes sense, all else at once.
   *
   * What waits to be asked is asked with it: asked again a moment later, it would draw the builder anew under somebody
   * who works in it already. And an answer to what is not the query any more leaves the builder as it is.
   */
  async function ask({ rebuild, record = true, typed = false }) {
    askSoon.cancel();
    askTyped.cancel();
    const query = text.value.trim();
    if (record && !typed) remember(query);
    const found = await answer.ask(query, { typing: typed });
    if (!found || query !== text.value.trim()) return;
    builder.blame(found.problem);
    if (found.problem !== null) return;
    if (record) remember(query);
    if (rebuild) builder.show(found.tree);
    panels.refresh(found.count);
  }

  /** While one condition is edited, its steps are one step of the history. */
  function remember(query) {
    if (query === shown) return;
    shown = query;
    const address = query ? `/?q=${encodeURIComponent(query)}` : "/";
    const same = builder.editing && builder.editing.row === remember.row && builder.editing.row.isConnected;
    remember.row = builder.editing ? builder.editing.row : null;
    if (same) history.replaceState({ q: query }, "", address);
    else history.pushState({ q: query }, "", address);
  }

  function fit() {
    text.style.height = "auto";
    text.style.height = `${Math.min(320, text.scrollHeight + 2)}px`;
  }

  history.replaceState({ q: text.value }, "");
  window.addEventListener("popstate", (event) => {
    const query = event.state && typeof event.state.q === "string" ? event.state.q : new URLSearchParams(location.search).get("q") || "";
    shown = query;
    set(query, { record: false });
  });
  text.addEventListener("input", () => { fit(); askTyped(); });
  form.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter.hasAttribute("formaction")) return;
    event.preventDefault();
    ask({ rebuild: true });
  });
  document.querySelector("main").addEventListener("click", async (event) => {
    const link = event.target.closest("[data-range]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    try {
      builder.refine(await property(link.dataset.range, "participant"));
    } catch (error) {
      answer.fail(error);
    }
  });
  new Completion(text, { chosen: () => { fit(); askTyped(); } });
  answer.adopt();
  builder.show(answer.tree, { unread: Boolean(answer.problem.childElementCount) });
  document.documentElement.classList.add("enhanced");
  fit();
}

start();
