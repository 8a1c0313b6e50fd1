// The one place where nodes are made. Text becomes text nodes: nothing that a stranger wrote is ever parsed as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", {class: "x", onclick: f, "aria-label": "…"}, child, "text", null, [more])`. */
export function h(tag, props = {}, ...children) {
  return built(document.createElement(tag), props, children);
}

/** The same in SVG. */
export function s(tag, props = {}, ...children) {
  return built(document.createElementNS(SVG, tag), props, children);
}

function built(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...nodes(children));
  return element;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** Put `children` in place of what `parent` holds; who has the focus keeps it and what is unfolded stays so, known by `data-key`. */
export function fill(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const unfolded = new Set([...parent.querySelectorAll("details[data-key][open]")].map((one) => one.dataset.key));
  parent.replaceChildren(...nodes(children));
  if (focused === undefined && unfolded.size === 0) return;
  for (const candidate of parent.querySelectorAll("[data-key]")) {
    if (candidate.dataset.key === focused) candidate.focus({ preventScroll: true });
    if (unfolded.has(candidate.dataset.key)) candidate.open = true;
  }
}

/** Make the children of `parent` be `wanted`, in order; nodes that are in their place are not touched. */
export function arrange(parent, wanted) {
  const keep = new Set(wanted);
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove();
  let at = parent.firstElementChild;
  for (const child of wanted) {
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
  }
}
