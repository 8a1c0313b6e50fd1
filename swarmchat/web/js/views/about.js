// What a conversation is: its profile, its link, what I can do with the whole of it.

import { h } from "../dom.js";
import { counted, fullTime, plain } from "../text.js";
import { STATES, modeWords } from "../words.js";
import { confirm, form, open } from "./dialogs.js";
import { button, copyable } from "./parts.js";
import { trying } from "./toast.js";

export async function drawAbout(app, conversation, again) {
  const shown = await app.api.call("conversation.show", { conversation });
  const admin = shown.role === "admin" && shown.state === "ready" && shown.mode !== "one-to-one";
  const joined = ["admin", "member"].includes(shown.role) && shown.state === "ready";
  return [
    h("dl", { class: "facts" },
      fact("Title", h("bdi", {}, plain(shown.title || app.state.title(shown)))),
      shown.description && fact("Description", h("bdi", {}, plain(shown.description))),
      fact("Who may come in", modeWords(shown.mode)),
      fact("State", STATES[shown.state] ?? shown.state),
      shown.refused && fact("Refused", plain([shown.refused.rule, shown.refused.detail].filter(Boolean).join(": "))),
      fact("Your role", shown.role ?? "none"),
      fact("Since", fullTime(shown.created)),
      fact("Conversation id", copyable(shown.id, "the id of the conversation"))),
    shown.held.length > 0 && h("div", { class: "ballot" }, h("p", {}, `${counted(shown.held.length, "old fork")} held back.`), button("Let them in", () => trying(() => app.api.call("conversation.merge_forks", { conversation }).then(again)))),
    h("div", { class: "stack" },
      admin && button("Change title and description", () => change(app, shown), { "data-key": "change" }),
      joined && button("Link to join", () => link(app, conversation), { "data-key": "link" }),
      button("Judge the whole history again", () => verify(app, conversation), { "data-key": "verify" }),
      joined && button("Leave", () => leave(app, shown), { class: "button danger-text", "data-key": "leave" }),
      shown.state === "closed" && button("Erase it here", () => purge(app, shown), { class: "button danger-text", "data-key": "purge" })),
  ];
}

const fact = (name, value) => [h("dt", {}, name), h("dd", {}, value)];

function change(app, shown) {
  form("Title and description", [
    { name: "title", label: "Title", value: shown.title, most: 128 },
    { name: "description", label: "Description", value: shown.description, type: "textarea", most: 512 },
  ], { does: "Save", submit: ({ title, description }) => app.api.call("conversation.set", { conversation: shown.id, title, description }) });
}

async function link(app, conversation) {
  const found = await trying(() => app.api.call("conversation.link", { conversation }));
  if (!found) return;
  open("Link to join", () => [
    h("p", {}, found.public ? "Whoever has this link can join." : "Only who is invited can join by this link. It says where to find the conversation."),
    copyable(found.link, "the link"),
    found.addresses.length === 0 && h("p", { class: "warning" }, "No address of this node is known that others could reach."),
  ]);
}

async function verify(app, conversation) {
  const found = await trying(() => app.api.alone("verify", { conversation }));
  if (!found) return;
  open(found.valid ? "The history is valid" : "The history is not valid", () => [
    h("p", {}, `${counted(found.commits, "commit")}, ${found.merges} of them merges, each judged again from nothing.`),
    found.rejections.length > 0 && h("ul", {}, found.rejections.map((one) => h("li", {}, plain(`${one.rule}: ${one.reason}`)))),
  ]);
}

function leave(app, shown) {
  const others = (app.state.members.get(shown.id) ?? []).filter((row) => row.role === "member" || row.role === "admin").filter((row) => !app.state.isMe(row.id));
  const lastAdmin = shown.role === "admin" && !others.some((row) => row.role === "admin") && others.length > 0;
  const fields = lastAdmin ? [{ name: "promote", label: "You are the last admin. Who shall be it?", choices: [...others.map((row) => [row.id, app.state.name(row.id, shown.id)]), ["", "Nobody: dissolve the group"]] }] : [];
  form(`Leave ${app.state.title(shown)}?`, fields, {
    intro: "The history stays here and can be read. Others see that you left.",
    does: "Leave",
    danger: true,
    submit: ({ promote }) => app.api.alone("conversation.leave", { conversation: shown.id, ...(lastAdmin ? (promote ? { promote } : { dissolve: true }) : {}) }),
  });
}

function purge(app, shown) {
  confirm("Erase this conversation here?", "Its history and files on this device are gone for good. Others keep theirs.", "Erase", async () => {
    await app.api.call("conversation.purge", { conversation: shown.id });
    app.go("#/");
  });
}
