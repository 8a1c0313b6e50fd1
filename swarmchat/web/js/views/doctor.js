// Everything that can be wrong on the machine of the node, and what to do about it.

import { h } from "../dom.js";
import { plain } from "../text.js";
import { icon } from "./icons.js";
import { button } from "./parts.js";

const WORDS = { ok: "In order", warning: "Warning", fault: "Fault" };

export async function drawDoctor(app, again) {
  const rows = await app.api.alone("doctor");
  const order = ["fault", "warning", "ok"];
  const bad = rows.filter((row) => row.state !== "ok").length;
  return [
    h("div", { class: "page-deeds" }, h("p", { class: "muted" }, bad === 0 ? `All ${rows.length} checks are in order.` : `${bad} of ${rows.length} checks found something.`), button("Look again", again, { "data-key": "again" })),
    h("ul", { class: "rows cards" }, order.flatMap((state) => rows.filter((row) => row.state === state)).map((row) =>
      h("li", { class: "row" },
        h("span", { class: `sign ${row.state}`, role: "img", "aria-label": WORDS[row.state] ?? row.state }, icon(row.state === "ok" ? "check" : "info")),
        h("div", { class: "row-main" }, h("div", {}, h("strong", {}, row.check), " ", h("bdi", {}, plain(row.found))), h("div", { class: "muted small wrap" }, plain(row.about)), row.hint && h("div", { class: "hint small" }, plain(row.hint)))))),
  ];
}
