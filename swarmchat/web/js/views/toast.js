// Short words at the edge: what failed and why; and words for screen readers alone.

import { h } from "../dom.js";
import { told } from "./dialogs.js";

const SHOWN_MS = 8000;

export function toast(words) {
  const place = document.getElementById("toasts");
  const note = h("div", { class: "toast" }, h("span", {}, words), h("button", { type: "button", class: "toast-close", "aria-label": "Dismiss", onclick: () => note.remove() }, "×"));
  place.append(note);
  while (place.children.length > 3) place.firstElementChild.remove();
  setTimeout(() => note.remove(), SHOWN_MS);
}

/** Run something; what fails is told. */
export async function trying(work) {
  try {
    return await work();
  } catch (error) {
    toast(told(error));
    return undefined;
  }
}

export function announce(words) {
  document.getElementById("announcer").textContent = words;
}
