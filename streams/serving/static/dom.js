// Elements from data. Everything that comes from the data becomes text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: attributes, `on…` listeners, `class`, and children that are elements or texts. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same of an SVG element. */
export function s(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

/** Append elements and texts; lists are flattened, nothing is skipped but `null` and `false`. */
export function add(element, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return element;
}

/** Text that only screen readers tell. */
export function unseen(text) {
  return h("span", { class: "unseen" }, text);
}

/**
 * Draw now, and again whenever the width of `box` changes; `draw(width, height)` returns what to show in it. A box
 * whose height does not come from what is drawn (`fills`) is drawn again when its height changes too.
 */
export function sized(box, draw, { fills = false } = {}) {
  let width = 0;
  let height = 0;
  new ResizeObserver(() => {
    const now = Math.floor(box.clientWidth);
    const tall = fills ? Math.floor(box.clientHeight) : 0;
    if (now > 0 && (now !== width || tall !== height)) {
      [width, height] = [now, tall];
      box.replaceChildren(draw(width, height));
    }
  }).observe(box);
  return box;
}
