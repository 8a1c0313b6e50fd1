// The mesh: which devices this node is linked with, by which path, as of when; a drawing and the same as a list.

import { h, s } from "../dom.js";
import { ago, counted, cut, hue, initials, line } from "../text.js";
import { avatar, empty, nameOf, presenceWord, shortId } from "./parts.js";

const STATES = { linked: "linked", dialing: "being called", waiting: "waits", unreachable: "not reached", barred: "barred" };
const SIZE = 460;

export async function drawMesh(app) {
  const [rows, status] = await Promise.all([app.api.call("peer.list"), app.api.call("daemon.status")]);
  const linked = rows.filter((row) => row.state === "linked").length;
  return [
    h("p", { class: "muted" }, `${linked} of ${rows.length} devices linked · listens on ${status.listen.join(", ") || "nothing"} · DHT: ${status.dht.found}`),
    rows.length === 0
      ? empty("node", "Nobody to link with yet", h("p", {}, "Links come with contacts and conversations."))
      : [picture(app, rows), h("ul", { class: "rows cards" }, rows.map((row) => peerNode(app, row)))],
  ];
}

function nameFor(app, row) {
  return row.account ? app.state.name(row.account) : "unknown";
}

function picture(app, rows) {
  const middle = SIZE / 2;
  const shown = rows.slice(0, 24);
  const reach = shown.length > 12 ? [120, 178] : [150];
  const at = shown.map((_, number) => {
    const angle = (number / shown.length) * 2 * Math.PI - (shown.length > 2 ? Math.PI / 2 : 0);
    const radius = reach[number % reach.length];
    return { x: middle + radius * Math.cos(angle), y: middle - 8 + radius * Math.sin(angle) };
  });
  const node = (x, y, id, name, words, own) => {
    const below = own || y > middle - 30 ? y + (own ? 48 : 40) : y - 44; // not on the line that leads here
    return s("g", {},
      s("circle", { class: "mesh-node", "--hue": `${hue(id)}deg`, cx: x, cy: y, r: own ? 30 : 23 }),
      s("text", { class: "mesh-initials", x, y: y + 5 }, initials(name)),
      s("text", { class: "mesh-name", x, y: below }, cut(line(name, 40), 14)),
      s("text", { class: "mesh-words", x, y: below + 14 }, words));
  };
  const top = Math.min(middle - 8, ...at.map((one) => one.y)) - 70;
  const bottom = Math.max(middle - 8, ...at.map((one) => one.y)) + 70;
  return h(
    "div",
    { class: "mesh" },
    s("svg", { class: "mesh-picture", viewBox: `0 ${top} ${SIZE} ${bottom - top}`, role: "img", "aria-label": `This node and ${rows.length} devices, ${rows.filter((row) => row.state === "linked").length} of them linked` },
      shown.map((row, number) => s("line", { class: `mesh-line ${row.state}`, x1: middle, y1: middle - 8, x2: at[number].x, y2: at[number].y })),
      shown.map((row, number) => node(at[number].x, at[number].y, row.account ?? row.device, nameFor(app, row), STATES[row.state] ?? row.state, false)),
      node(middle, middle - 8, app.state.me.id, app.state.me.name || "You", "this node", true)),
  );
}

function peerNode(app, row) {
  const name = nameFor(app, row);
  return h(
    "li",
    { class: "row" },
    avatar(row.account ?? row.device, name, row.presence.state),
    h("div", { class: "row-main" },
      h("div", {}, nameOf(row.account ?? row.device ?? "", name), row.device && [h("span", { class: "muted small" }, " device "), shortId(row.device)]),
      h("div", { class: "muted small" }, row.path ? h("span", {}, `by ${line(row.path, 80)}, since ${ago(row.since)}`) : [presenceWord(row.presence), ` as of ${ago(row.presence.as_of)}`]),
      row.last_error && row.state !== "linked" && h("div", { class: "warning small" }, line(row.last_error, 200)),
      row.known.length > 0 && h("details", { "data-key": `known-${row.device}` }, h("summary", { class: "muted small", "data-key": `fold-${row.device}` }, counted(row.known.length, "known address", "known addresses")), h("ul", { class: "plain-list small" }, row.known.map((one) => h("li", {}, h("code", {}, line(one.address, 100)), ` by ${one.source}, heard ${ago(one.heard)}${one.good ? `, good ${ago(one.good)}` : ""}`))))),
    h("span", { class: `badge ${row.state === "linked" ? "level" : row.state === "barred" || row.state === "unreachable" ? "behind" : "ahead"}` }, STATES[row.state] ?? row.state),
  );
}
