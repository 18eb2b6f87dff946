// Elements from data. Everything that came from outside goes through text nodes and attributes, never through markup.

const SVG = "http://www.w3.org/2000/svg";

/** Return an element; `on` holds listeners, false and null attributes are left out. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Return an SVG element. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Return an id that no other element of the page has. */
export function uniqueId(prefix) {
  uniqueId.last = (uniqueId.last || 0) + 1;
  return `${prefix}-${uniqueId.last}`;
}

/** Return a property's or operator's name as people read it. */
export function words(name) {
  return name.replace(/[_.]+/g, " ");
}

/** Return a number as people read it. */
export function number(value) {
  return typeof value === "number" ? value.toLocaleString("en") : String(value);
}

/** Return a function that waits until calls pause; its `cancel` forgets the one that waits. */
export function debounced(run, milliseconds) {
  let timer = null;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds);
  };
  soon.cancel = () => clearTimeout(timer);
  return soon;
}
