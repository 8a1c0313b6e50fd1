// One row of a timeline as nodes.

import { h } from "../dom.js";
import { rendered } from "../markdown.js";
import { cut, dayName, fullTime, line, plain, short, timeOfDay } from "../text.js";
import { sentence, speaker, voice } from "../words.js";
import { icon } from "./icons.js";
import { avatar, iconButton, nameOf } from "./parts.js";

const LONG = 3000; // characters after which a message is folded

/** What a row shows, as text: two rows with the same signature look the same. */
export function signature(row, people) {
  if (row.kind !== "message" && row.kind !== "system") return JSON.stringify([row.kind, row.count, row.isOpen, row.kind === "day" && dayName(row.time)]);
  const { message } = row;
  const said = [message, ...message.reactions, ...(row.quote?.known ? [row.quote] : [])].map((one) => speaker(one, (who) => people.name(who)));
  const named = [...said, message.body?.uri && people.name(message.body.uri)];
  return JSON.stringify([row.joins, row.removed, message.body, message.edits.length, message.reactions, message.status, named, row.quote]);
}

/** `acts` are the deeds a row offers: reply, react, edit, remove, history, delivery, jump, unfold. */
export function rowNode(row, people, acts) {
  switch (row.kind) {
    case "day":
      return h("li", { class: "day" }, h("span", {}, dayName(row.time)));
    case "fresh":
      return h("li", { class: "fresh" }, h("span", {}, "New"));
    case "fold":
      return h(
        "li",
        { class: "fold" },
        h("button", { type: "button", class: "button small", "aria-expanded": String(row.isOpen), onclick: () => acts.unfold(row.key) }, `${row.count} hidden, by somebody who was removed · ${row.isOpen ? "fold" : "show"}`),
      );
    case "system":
      return h(
        "li",
        { class: "system", "data-id": row.message.id, tabindex: "-1" },
        h("bdi", {}, line(sentence(row.message, (who) => people.name(who)), 300)),
        h("time", { datetime: row.message.time, title: fullTime(row.message.time) }, timeOfDay(row.message.time)),
      );
    default:
      return messageNode(row, people, acts);
  }
}

function messageNode(row, people, acts) {
  const { message } = row;
  const mine = people.isMe(message.author) && !message.via;
  const deleted = message.body === "" && message.edits.length > 0;
  const name = speaker(message, (who) => people.name(who));
  const who = voice(message);
  const classes = ["message", mine ? "mine" : "theirs", row.joins && "joins", deleted && "deleted", row.removed && "removed"];
  return h(
    "li",
    {
      class: classes.filter(Boolean).join(" "),
      "data-id": message.id,
      tabindex: "-1",
      "aria-label": `${line(name, 64)}, ${timeOfDay(message.time)}: ${deleted ? "deleted" : line(message.body, 200)}`,
    },
    !mine && (row.joins ? h("span", { class: "avatar-gap" }) : avatar(who, name)),
    h(
      "div",
      { class: "bubble-column" },
      !mine && !row.joins && h("div", { class: "byline" }, nameOf(who, name), h("code", { class: "id", title: who }, short(who))),
      h(
        "div",
        { class: "bubble" },
        row.quote && quoteNode(row.quote, message.reply_to, people, acts),
        deleted ? h("div", { class: "body" }, h("p", {}, "This message was deleted")) : bodyNode(message.body),
        h(
          "div",
          { class: "under" },
          message.edits.length > 0 && h("button", { type: "button", class: "plain-button edited", onclick: () => acts.history(message) }, deleted ? "history" : "edited"),
          h("time", { datetime: message.time, title: fullTime(message.time) }, timeOfDay(message.time)),
          mine && markNode(message, acts),
        ),
      ),
      message.reactions.length > 0 && reactionsNode(message, people, acts),
    ),
    !row.removed && actionsNode(message, mine, deleted, acts),
  );
}

function bodyNode(text) {
  const body = h("div", { class: "body", dir: "auto" });
  const whole = String(text);
  if (whole.length <= LONG) body.append(...rendered(whole));
  else {
    body.append(...rendered(cut(whole, LONG)));
    const more = h("button", { type: "button", class: "button small" }, `Show all ${whole.length.toLocaleString("en")} characters`);
    more.addEventListener("click", () => body.replaceChildren(h("p", { class: "verbatim" }, plain(whole))));
    body.append(more);
  }
  return body;
}

function quoteNode(quote, id, people, acts) {
  const words = quote.known ? (quote.text === "" ? "deleted" : line(quote.text, 120)) : "an older message";
  return h(
    "button",
    { type: "button", class: "quote", onclick: () => acts.jump(id), title: "Go to this message" },
    quote.known && nameOf(voice(quote), speaker(quote, (who) => people.name(who)), { title: null }),
    h("bdi", { class: "quoted" }, words),
  );
}

function reactionsNode(message, people, acts) {
  const by = new Map();
  for (const one of message.reactions) {
    const sign = line(one.reaction, 24);
    by.set(sign, [...(by.get(sign) ?? []), one]);
  }
  return h(
    "div",
    { class: "reactions" },
    [...by].map(([sign, all]) => {
      const own = all.find((one) => people.isMe(one.author) && !one.via);
      const who = all.map((one) => line(speaker(one, (who) => people.name(who)), 64)).join(", ");
      return h(
        "button",
        { type: "button", class: own ? "reaction own" : "reaction", title: who, "aria-pressed": String(Boolean(own)), "aria-label": `${sign}, ${who}`, onclick: () => acts.react(message, all[0].reaction, Boolean(own)) },
        h("bdi", {}, sign),
        all.length > 1 && h("span", { class: "count" }, String(all.length)),
      );
    }),
  );
}

const MARKS = { written: ["clock", "Written here"], sent: ["check", "Sent"], read: ["checks", "Read"] };

function markNode(message, acts) {
  const state = message.status?.state;
  if (!MARKS[state]) return null;
  const [drawing, word] = MARKS[state];
  const others = state === "read" ? message.status.read.length : message.status.sent.length;
  const label = state === "written" ? word : `${word} ${state === "read" ? "by" : "to"} ${others}`;
  return h("button", { type: "button", class: `plain-button mark ${state}`, title: `${label}: details`, "aria-label": `${label}: details`, onclick: () => acts.delivery(message) }, icon(drawing));
}

function actionsNode(message, mine, deleted, acts) {
  const hidden = { tabindex: "-1" };
  return h(
    "div",
    { class: "actions", role: "group", "aria-label": "What to do with this message" },
    iconButton("reply", "Reply", () => acts.reply(message), hidden),
    !deleted && iconButton("smile", "React", () => acts.palette(message), hidden),
    mine && !deleted && iconButton("edit", "Edit", () => acts.edit(message), hidden),
    mine && !deleted && iconButton("trash", "Delete", () => acts.remove(message), hidden),
    iconButton("info", "Details", () => acts.delivery(message), hidden),
  );
}
