// When the page has no token, or one that the node does not know.

import { h } from "../dom.js";
import { tokenIn } from "../token.js";
import { button } from "./parts.js";

/** `enter(token)` takes what the user gives. */
export function welcome(reason, enter) {
  const fault = h("p", { class: "fault", role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    const token = tokenIn(event.target.elements.link.value);
    if (token) enter(token);
    else fault.textContent = "There is no token in that.";
  };
  const reasons = {
    missing: ["Open this page with its link", "The link carries the token that lets this page speak to your node."],
    wrong: ["The node does not know this token", "It may have been removed, or belong to another node."],
  };
  const [title, words] = reasons[reason];
  return h(
    "main",
    { class: "welcome" },
    h("img", { src: "icon.svg", alt: "", width: 64, height: 64 }),
    h("h1", {}, title),
    h("p", {}, words),
    h("p", {}, "In a terminal on the machine of the node:"),
    h("pre", { tabindex: "0" }, h("code", {}, "swarmchat web")),
    h("p", { class: "muted" }, "and open what it prints, or paste it here:"),
    h("form", { class: "row-form", onsubmit: submit }, h("input", { name: "link", type: "password", "aria-label": "Link or token", placeholder: "http://127.0.0.1:…/#token=…", autocomplete: "off", spellcheck: "false" }), h("button", { type: "submit", class: "button primary" }, "Open")),
    fault,
  );
}

/** When the node does not answer while the page starts; it goes on trying. */
export function away(again) {
  return h(
    "main",
    { class: "welcome" },
    h("img", { src: "icon.svg", alt: "", width: 64, height: 64 }),
    h("h1", {}, "The node is away"),
    h("p", { role: "status" }, "It does not answer. This page tries again by itself."),
    h("p", {}, "If it does not run:"),
    h("pre", { tabindex: "0" }, h("code", {}, "swarmchat daemon start")),
    button("Try now", again, { class: "button primary" }),
  );
}
