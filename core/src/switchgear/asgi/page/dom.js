// Making and changing elements. Data only ever becomes text and attributes, never markup; and nothing is touched that
// already is as it should be, so that focus, selection and screen readers are left in peace.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: el("p", { class: "why", on: { click } }, "text", child). */
export function el(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(node, { on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) attr(node, name, value);
  for (const [event, listener] of Object.entries(on)) node.addEventListener(event, listener);
  node.append(...children.filter((child) => child != null));
  return node;
}

/** Sets an attribute; null, undefined and false take it away. */
export function attr(node, name, value) {
  if (value == null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

export function show(node, shown) {
  if (node.hidden === shown) node.hidden = !shown;
}

/**
 * One part for each item, in their order. A part is { root, update(item) } and lives as long as its key is there; its
 * `end()`, if it has one, is called when it goes.
 * Returns the function that brings the parts in line with a list of items.
 */
export function keyed(parent, keyOf, make) {
  const parts = new Map();
  return (items) => {
    const keys = new Set(items.map(keyOf));
    for (const [key, part] of parts) {
      if (!keys.has(key)) {
        part.root.remove();
        part.end?.();
        parts.delete(key);
      }
    }
    let place = parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      let part = parts.get(key);
      if (!part) parts.set(key, (part = make(item)));
      if (part.root === place) place = place.nextElementSibling;
      else parent.insertBefore(part.root, place);
      part.update(item);
    }
  };
}
