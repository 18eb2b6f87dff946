// Choosing a range of numbers: two fields, and a histogram on which a range can be drawn.

import { h, number, s, uniqueId } from "./dom.js";

const WIDTH = 480;
const HEIGHT = 96;
const BASE = 14;

/** Return the fields that choose a range. */
export async function rangeFields({ test, tell, ask }) {
  const { histogram } = await ask();
  const state = { low: test.low ?? null, high: test.high ?? null, lowOpen: Boolean(test.lowOpen), highOpen: Boolean(test.highOpen) };
  const drawing = histogram && histogram.bins.length ? new Histogram(histogram, (low, high) => set({ low, high, lowOpen: false, highOpen: false }, true)) : null;
  const step = histogram && histogram.whole ? "1" : "any";
  const low = bound("From", state.low, step, (value) => set({ low: value, lowOpen: false }));
  const high = bound("to", state.high, step, (value) => set({ high: value, highOpen: false }));
  low.input.dataset.first = "";
  function set(change, drawn = false) {
    Object.assign(state, change);
    if (drawn) {
      low.input.value = state.low ?? "";
      high.input.value = state.high ?? "";
    }
    if (drawing) drawing.select(state.low, state.high);
    tell({ ...state });
  }
  if (drawing) drawing.select(state.low, state.high);
  const clear = h("button", { type: "button", class: "quiet", on: { click: () => set({ low: null, high: null }, true) } }, "Any");
  const missing = histogram && histogram.missing ? h("small", {}, `${number(histogram.missing)} have no value`) : null;
  return h("div", { class: "range" }, drawing ? drawing.element : null, h("div", { class: "line" }, low.label, low.input, high.label, high.input, clear, missing));
}

function bound(name, value, step, changed) {
  const id = uniqueId("bound");
  const read = (event) => changed(event.target.value === "" ? null : Number(event.target.value));
  const input = h("input", { type: "number", id, step, value: value ?? "", on: { input: read } });
  return { label: h("label", { for: id }, name), input };
}

/** A histogram on which the pointer draws a range; with the keyboard the two fields do the same. */
class Histogram {
  constructor(histogram, drawn) {
    this.bins = histogram.bins;
    this.whole = histogram.whole;
    this.low = this.bins[0].low;
    this.high = this.bins[this.bins.length - 1].high;
    const most = Math.max(1, ...this.bins.map((bin) => bin.count || 0));
    this.chosen = s("rect", { class: "chosen", y: 0, height: HEIGHT - BASE, width: 0 });
    const bars = this.bins.map((bin) => {
      const left = this.x(bin.low);
      const height = ((bin.count || 0) / most) * (HEIGHT - BASE - 4);
      const bar = s("rect", { class: "bar", x: left + 0.5, width: Math.max(1, this.x(bin.high) - left - 1), y: HEIGHT - BASE - height, height });
      bar.append(s("title", {}, `${this.shown(bin.low)} to ${this.shown(bin.high)}: ${number(bin.count)}`));
      return bar;
    });
    const label = `How the values are spread, from ${this.shown(this.low)} to ${this.shown(this.high)}`;
    this.element = s("svg", { class: "histogram", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, this.chosen, bars,
      s("text", { x: 0, y: HEIGHT - 2 }, this.shown(this.low)), s("text", { x: WIDTH, y: HEIGHT - 2, "text-anchor": "end" }, this.shown(this.high)));
    this.watch(drawn);
  }

  x(value) {
    const span = this.high - this.low || 1;
    return ((Math.min(Math.max(value, this.low), this.high) - this.low) / span) * WIDTH;
  }

  shown(value) {
    return String(this.whole ? Math.round(value) : Number(value.toPrecision(4)));
  }

  at(event) {
    const box = this.element.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    return this.low + share * (this.high - this.low);
  }

  select(low, high) {
    const any = low === null && high === null;
    const left = low === null ? 0 : this.x(low);
    const right = high === null ? WIDTH : this.x(high);
    this.chosen.setAttribute("x", left);
    this.chosen.setAttribute("width", any ? 0 : Math.max(2, right - left));
  }

  watch(drawn) {
    let from = null;
    const range = (event) => {
      const ends = [from, this.at(event)].sort((a, b) => a - b);
      return this.whole ? [Math.ceil(ends[0]), Math.floor(ends[1])] : ends.map((end) => Number(end.toPrecision(4)));
    };
    this.element.addEventListener("pointerdown", (event) => {
      from = this.at(event);
      this.element.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    this.element.addEventListener("pointermove", (event) => { if (from !== null) this.select(...range(event)); });
    this.element.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const [low, high] = range(event);
      from = null;
      if (low <= high) drawn(low, high);
    });
    this.element.addEventListener("pointercancel", () => { from = null; });
  }
}
