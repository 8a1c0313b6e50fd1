// How far each device is, for one conversation or for all.

import { h } from "../dom.js";
import { ago, counted, line, short } from "../text.js";
import { avatar, nameOf, shortId } from "./parts.js";

export async function drawSync(app, conversation) {
  const rows = await app.api.call("sync.status", conversation ? { conversation } : {});
  if (conversation) return drawRows(app, conversation, rows, "No other device is known to hold this conversation yet.");
  const rooms = [...new Set(rows.map((row) => row.conversation))];
  return rooms.length === 0
    ? h("p", { class: "muted" }, "No other device is known yet.")
    : rooms.map((room) => h("section", {}, h("h3", {}, h("bdi", {}, app.state.title(app.state.conversation(room)) || short(room))), drawRows(app, room, rows.filter((row) => row.conversation === room), "")));
}

function drawRows(app, conversation, rows, none) {
  if (!rows.length) return h("p", { class: "muted" }, none);
  return h("ul", { class: "rows" }, rows.map((row) => {
    const account = app.state.accountOfDevice(row.device);
    const name = account ? app.state.name(account, conversation) : "unknown";
    const level = row.behind || row.missing.length ? "behind" : row.ahead ? "ahead" : "level";
    return h(
      "li",
      { class: "row" },
      avatar(account ?? row.device, name),
      h(
        "div",
        { class: "row-main" },
        h("div", {}, nameOf(account ?? row.device, name), " ", h("span", { class: "muted small" }, "device "), shortId(row.device)),
        h("div", { class: "muted small" }, `as of ${ago(row.as_of)}`),
        row.missing.map((one) => h("div", { class: "warning small" }, `we lack ${short(one.head)}, which ${counted(one.devices.length, "device")} has, for ${one.for_s} s`)),
      ),
      h("span", { class: `badge ${level}` }, words(row)),
    );
  }));
}

function words({ behind, ahead }) {
  if (!behind && !ahead) return "in step";
  return line([behind ? `lacks ${behind}` : "", ahead ? `has ${ahead} more` : ""].filter(Boolean).join(", "), 60);
}
