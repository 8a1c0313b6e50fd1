// From messages to the rows of a timeline: days, who wrote several in a row, what is folded, where the new ones begin. Pure.

import { dayOf } from "./text.js";

const TOGETHER_MS = 5 * 60_000;

/** `hidden`: messages of removed members, folded where they stood; `readUpTo`: the line before the first new one. */
export function rowsOf(messages, { hidden = [], open = new Set(), readUpTo = null, isMe = () => false } = {}) {
  const rows = [];
  let day = null;
  let before = null; // the message that the next may join
  let fresh = false; // the reader's mark was passed, the line not drawn yet
  let drawn = readUpTo === null;
  const folded = foldedInto(messages, hidden);
  for (const message of messages) {
    const today = dayOf(message.time);
    if (today !== day) {
      rows.push({ kind: "day", key: `day-${today}-${message.id}`, time: message.time });
      day = today;
      before = null;
    }
    const fold = folded.get(message.id);
    if (fold) {
      rows.push(...foldRows(fold, open));
      before = null;
    }
    if (!drawn && fresh && (!isMe(message.author) || message.via)) {
      rows.push({ kind: "fresh", key: "fresh" });
      drawn = true;
      before = null;
    }
    if (message.type === "text/plain") {
      const joins = before && before.author === message.author && before.via?.account === message.via?.account && Date.parse(message.time) - Date.parse(before.time) < TOGETHER_MS;
      rows.push({ kind: "message", key: message.id, message, joins: Boolean(joins) && !message.reply_to });
      before = message;
    } else {
      rows.push({ kind: "system", key: message.id, message });
      before = null;
    }
    if (message.id === readUpTo) fresh = true;
  }
  const rest = folded.get(null);
  if (rest) rows.push(...foldRows(rest, open));
  return rows;
}

/** Which hidden messages stand before which shown one; those after the last stand before null. */
function foldedInto(messages, hidden) {
  const found = new Map();
  let at = 0;
  for (const one of [...hidden].sort((a, b) => a.time.localeCompare(b.time))) {
    while (at < messages.length && messages[at].time <= one.time) at++;
    const place = messages[at]?.id ?? null;
    found.set(place, [...(found.get(place) ?? []), one]);
  }
  return found;
}

function foldRows(messages, open) {
  const key = `fold-${messages[0].id}`;
  const isOpen = open.has(key);
  return [
    { kind: "fold", key, count: messages.length, isOpen },
    ...(isOpen ? messages.map((message) => ({ kind: message.type === "text/plain" ? "message" : "system", key: message.id, message, joins: false, removed: true })) : []),
  ];
}
