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
  const answer = new Answer({ labels, follow: (query) => set(query, { tell: true }) });
  const builder = new Builder(document.getElementById("builder"), { labels, changed: built });
  const panels = new Panels(() => text.value.trim());
  let shown = text.value;
  let typing = false;

  const askSoon = debounced(() => ask({ rebuild: typing }), CLICKING);
  const askTyped = debounced(() => ask({ rebuild: true, patient: true }), TYPING);

  function built() {
    typing = false;
    text.value = builder.text;
    fit();
    askSoon();
  }

  /** Show another query, from a link or from history. */
  function set(query, { tell }) {
    text.value = query;
    fit();
    ask({ rebuild: true, record: tell });
  }

  async function ask({ rebuild, record = true, patient = false }) {
    const query = text.value.trim();
    const found = await answer.ask(query, { typing: patient });
    if (!found) return;
    builder.blame(found.problem);
    if (found.problem !== null) return;
    if (record && query !== shown) remember(query);
    shown = query;
    if (rebuild) builder.show(found.tree);
    panels.refresh(found.count);
  }

  /** While one condition is edited, its steps are one step of the history. */
  function remember(query) {
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
    set(query, { tell: false });
  });
  text.addEventListener("input", () => { typing = true; fit(); askTyped(); });
  form.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter.hasAttribute("formaction")) return;
    event.preventDefault();
    ask({ rebuild: true });
  });
  document.querySelector("main").addEventListener("click", async (event) => {
    const link = event.target.closest("[data-range]");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    builder.refine(await property(link.dataset.range, "participant"));
  });
  new Completion(text, { chosen: () => { typing = true; fit(); askTyped(); } });
  answer.adopt();
  builder.show(answer.tree);
  document.documentElement.classList.add("enhanced");
  fit();
}

start();
