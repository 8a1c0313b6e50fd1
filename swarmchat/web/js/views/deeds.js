// What one does with a single message besides reading it: reactions, versions, how far it came, deleting.

import { h } from "../dom.js";
import { ago, fullTime, line, plain, short } from "../text.js";
import { confirm, open } from "./dialogs.js";
import { avatar, copyable, nameOf, shortId } from "./parts.js";
import { trying } from "./toast.js";

const PALETTE = ["👍", "❤️", "😂", "🎉", "😮", "😢", "🙏", "👀"];

export function react(app, conversation, message, reaction, remove) {
  return trying(() => app.api.call("message.react", { conversation, message: message.id, reaction, ...(remove ? { remove } : {}) }));
}

export function palette(app, conversation, message) {
  open("React", (close) => {
    const choose = (reaction) => {
      close();
      const own = message.reactions.some((one) => app.state.isMe(one.author) && !one.via && one.reaction === reaction);
      react(app, conversation, message, reaction, own);
    };
    const free = (event) => {
      event.preventDefault();
      const word = event.target.elements.word.value.trim();
      if (word) choose(word);
    };
    return [
      h("div", { class: "palette" }, PALETTE.map((sign) => h("button", { type: "button", class: "sign", "aria-label": `React with ${sign}`, onclick: () => choose(sign) }, sign))),
      h("form", { class: "row-form", onsubmit: free }, h("input", { name: "word", type: "text", maxlength: 64, "aria-label": "Another emoji or a short word", placeholder: "Another emoji or a word", autocomplete: "off" }), h("button", { type: "submit", class: "button" }, "React")),
    ];
  });
}

export async function history(app, conversation, message) {
  const versions = await trying(() => app.api.call("message.history", { conversation, message: message.id }));
  if (!versions) return;
  open("Versions of this message", () =>
    h("ol", { class: "versions" }, versions.map((one, at) =>
      h("li", {}, h("div", { class: "muted" }, at === 0 ? "Written " : one.body === "" ? "Deleted " : "Edited ", h("time", { datetime: one.time }, fullTime(one.time))), one.body !== "" && h("p", { class: "verbatim", dir: "auto" }, plain(one.body))),
    )));
}

export function remove(app, conversation, message) {
  confirm("Delete this message?", `“${line(message.body, 80)}” disappears for everybody who looks at the conversation. Its versions stay in the signed history, where they can still be read.`, "Delete", () =>
    app.api.call("message.delete", { conversation, message: message.id }));
}

const WORDS = { written: "not there yet", sent: "has it", read: "has read it" };

export async function delivery(app, conversation, message) {
  const [shown, why] = await Promise.all([
    trying(() => app.api.call("message.show", { conversation, message: message.id, delivery: true })),
    app.api.call("explain", { conversation, commit: message.id }).catch(() => null),
  ]);
  if (!shown) return;
  const { state } = app;
  const rows = shown.delivery.filter((row) => row.account !== shown.author);
  open("Details", () => [
    h("p", { class: "muted" }, "By ", nameOf(shown.author, state.name(shown.author, conversation)), ` on ${fullTime(shown.time)}, device `, shortId(shown.device)),
    h("h3", {}, "How far it came, as far as this node knows"),
    rows.length === 0
      ? h("p", { class: "muted" }, "Nobody else is in this conversation.")
      : h("ul", { class: "rows" }, rows.map((row) =>
        h("li", { class: "row" }, avatar(row.account, state.name(row.account, conversation)),
          h("div", { class: "row-main" }, nameOf(row.account, state.name(row.account, conversation)),
            h("div", { class: "muted" }, row.state ? WORDS[row.state] ?? row.state : "not joined"),
            row.devices.map((device) => h("div", { class: "muted small" }, `device ${short(device.device)}: ${device.read_at ? `read ${ago(device.read_at)}` : device.sent_at ? `there ${ago(device.sent_at)}` : "there"}`))),
        ))),
    why && h("details", {}, h("summary", {}, "Why it counts"), h("ul", { class: "plain-list" }, why.because.map((because) => h("li", {}, plain(because))))),
    h("h3", {}, "Commit"),
    copyable(shown.id, "the id of the commit"),
  ]);
}
