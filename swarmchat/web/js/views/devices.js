// The devices of the account, and making another machine one of them.

import { h } from "../dom.js";
import { fullTime, line, plain } from "../text.js";
import { confirm, form } from "./dialogs.js";
import { icon } from "./icons.js";
import { button, shortId } from "./parts.js";
import { trying } from "./toast.js";

export async function drawDevices(app, again) {
  const rows = await app.api.call("device.list");
  return [
    h("div", { class: "page-deeds" }, h("p", { class: "muted" }, "Each has the conversations, and speaks for you."), button("Link a device", () => link(app, again), { class: "button primary", "data-key": "link" })),
    h("ul", { class: "rows cards" }, rows.map((row) =>
      h("li", { class: row.revoked ? "row revoked" : "row", "data-device": row.id },
        h("span", { class: "sign" }, icon("device")),
        h("div", { class: "row-main" },
          h("div", {}, h("strong", {}, h("bdi", {}, line(row.name || "no name", 64))), row.this && h("span", { class: "badge level" }, "this node"), row.revoked && h("span", { class: "badge behind" }, "revoked")),
          h("div", { class: "muted small" }, shortId(row.id), row.since && ` · since ${fullTime(row.since)}`, row.may_link && " · may link and revoke others")),
        h("div", { class: "row-deeds" },
          !row.revoked && button("Rename", () => rename(app, row, again), { class: "button small" }),
          !row.revoked && !row.this && button("Revoke", () => revoke(app, row, again), { class: "button small danger-text" }))))),
  ];
}

function rename(app, row, again) {
  form("Rename this device", [{ name: "name", label: "Name", value: row.name, required: true, most: 128 }], { does: "Rename", submit: async ({ name }) => { await app.api.call("device.rename", { device: row.id, name }); again(); } });
}

function revoke(app, row, again) {
  confirm(`Revoke ${line(row.name || row.id.slice(0, 8), 64)}?`, "It cannot be undone. In every conversation the device counts as no longer yours.", "Revoke", async () => { await app.api.alone("device.revoke", { device: row.id }); again(); });
}

function link(app, again) {
  form("Link a device", [
    { name: "code", label: "Code that the new machine shows", hint: "Say `swarmchat link` there.", required: true, plain: true, placeholder: "swarm-link:…" },
    { name: "may_link", label: "It may link and revoke devices too", type: "checkbox" },
  ], {
    does: "Find it",
    submit: async ({ code, may_link }) => {
      const found = await app.api.alone("device.add", { code, may_link });
      const answer = (accept) => app.api.alone("device.confirm", { pairing: found.pairing, accept });
      confirm("Is this your new device?", `“${plain(found.name)}” at ${found.address} proved that it shows the code.`, "It is mine", () => answer(true).then(again), { danger: false, declined: () => trying(() => answer(false)) });
    },
  });
}
