// A small subset of Markdown: bold, italic, struck out, code, links, quotes, lists. `parse` is pure and takes time in
// proportion to the text; `rendered` makes nodes of what it found. Whatever is not understood stays as it was written.

import { h } from "./dom.js";
import { plain } from "./text.js";

const DEPTH_MAX = 6;
const LABEL_MAX = 300; // characters of a link's text
const ADDRESS_MAX = 2000;
const SCHEMES = new Set(["http:", "https:", "mailto:"]);
const DELIMITERS = [
  ["**", "strong"],
  ["__", "strong"],
  ["~~", "s"],
  ["*", "em"],
  ["_", "em"],
];

/** Blocks: {type: "p" | "code" | "quote" | "list", …}. */
export function parse(text) {
  return blocks(plain(text).split("\n"), 0);
}

/** The same as nodes. */
export function rendered(text) {
  return parse(text).map(blockNode);
}

/** The address itself if it is one that a click may open, else null. */
export function safeAddress(address) {
  if (address.length > ADDRESS_MAX || /\s/.test(address)) return null;
  try {
    const url = new URL(address);
    return SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

function blocks(lines, depth) {
  const found = [];
  let open = []; // lines of the paragraph that is being read
  const close = () => {
    if (open.length) found.push({ type: "p", children: inline(open.join("\n"), 0) });
    open = [];
  };
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at];
    const fence = /^```(\w{0,20})\s*$/.exec(line);
    if (fence) {
      close();
      const code = [];
      while (++at < lines.length && !/^```\s*$/.test(lines[at])) code.push(lines[at]);
      found.push({ type: "code", text: code.join("\n") });
    } else if (/^>/.test(line) && depth < DEPTH_MAX) {
      close();
      const quoted = [];
      for (; at < lines.length && /^>/.test(lines[at]); at++) quoted.push(lines[at].replace(/^> ?/, ""));
      at--;
      found.push({ type: "quote", children: blocks(quoted, depth + 1) });
    } else if (isItem(line)) {
      close();
      const ordered = /^\s{0,3}\d/.test(line);
      const items = [];
      for (; at < lines.length && isItem(lines[at]) && /^\s{0,3}\d/.test(lines[at]) === ordered; at++) {
        items.push(inline(lines[at].replace(/^\s{0,3}(?:[-*+]|\d{1,9}[.)]) /, ""), 0));
      }
      at--;
      found.push({ type: "list", ordered, start: ordered ? parseInt(line, 10) : 1, items });
    } else if (line.trim() === "") {
      close();
    } else {
      open.push(line);
    }
  }
  close();
  return found;
}

const isItem = (line) => /^\s{0,3}(?:[-*+]|\d{1,9}[.)]) \S/.test(line);

function inline(text, depth) {
  const found = [];
  const hopeless = new Set(); // what is not closed from here is not closed further on either
  let from = 0;
  let at = 0;
  const take = (piece, end) => {
    if (at > from) found.push({ type: "text", text: text.slice(from, at) });
    found.push(piece);
    from = at = end;
  };
  while (at < text.length) {
    const sign = text[at];
    if (sign === "\\" && /[\\`*_~[\]]/.test(text[at + 1] ?? "")) {
      take({ type: "text", text: text[at + 1] }, at + 2);
    } else if (sign === "\n") {
      take({ type: "br" }, at + 1);
    } else if (sign === "`") {
      const end = hopeless.has("`") ? -1 : text.indexOf("`", at + 1);
      if (end < 0) hopeless.add("`");
      if (end > at + 1) take({ type: "code", text: text.slice(at + 1, end) }, end + 1);
      else at++;
    } else if (sign === "[" && depth < DEPTH_MAX) {
      const link = linkAt(text, at);
      if (link) take({ type: "link", address: link.address, children: inline(link.label, DEPTH_MAX) }, link.end);
      else at++;
    } else if (sign === "h" || sign === "m") {
      const bare = bareAt(text, at);
      if (bare) take({ type: "link", address: bare.address, children: [{ type: "text", text: bare.text }] }, bare.end);
      else at++;
    } else if ("*_~".includes(sign) && depth < DEPTH_MAX) {
      const span = spanAt(text, at, hopeless);
      if (span) take({ type: span.type, children: inline(span.inner, depth + 1) }, span.end);
      else while (text[at] === sign) at++; // a run that opens nothing is looked at once
    } else {
      at++;
    }
  }
  at = text.length;
  if (at > from) found.push({ type: "text", text: text.slice(from, at) });
  return found;
}

function spanAt(text, at, hopeless) {
  for (const [mark, type] of DELIMITERS) {
    if (!text.startsWith(mark, at) || hopeless.has(mark)) continue;
    const first = at + mark.length;
    if (!/\S/.test(text[first] ?? " ") || text[first] === mark[0]) continue;
    if (mark[0] === "_" && /[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) continue;
    let end = text.indexOf(mark, first);
    while (end > 0 && !closes(text, end, mark)) end = text.indexOf(mark, end + 1);
    if (end < 0) hopeless.add(mark);
    else return { type, inner: text.slice(first, end), end: end + mark.length };
  }
  return null;
}

function closes(text, end, mark) {
  if (/\s/.test(text[end - 1])) return false;
  const after = text[end + mark.length] ?? "";
  if (mark.length === 1 && (after === mark || text[end - 1] === mark)) return false;
  return mark[0] !== "_" || !/[\p{L}\p{N}]/u.test(after);
}

function linkAt(text, at) {
  const close = text.slice(at, at + LABEL_MAX).indexOf("](");
  if (close < 2) return null;
  const start = at + close + 2;
  const length = text.slice(start, start + ADDRESS_MAX + 1).search(/[)\s]/);
  if (length < 1 || text[start + length] !== ")") return null;
  const address = safeAddress(text.slice(start, start + length));
  return address && { label: text.slice(at + 1, at + close), address, end: start + length + 1 };
}

function bareAt(text, at) {
  if (/[\p{L}\p{N}]/u.test(text[at - 1] ?? "")) return null;
  const match = /^(?:https?:\/\/|mailto:)[^\s<>"'`]+/.exec(text.slice(at, at + ADDRESS_MAX));
  if (!match) return null;
  let length = match[0].length;
  while (".,;:!?)]}*_~".includes(match[0][length - 1])) length--; // what ends a sentence is not the address
  const shown = match[0].slice(0, length);
  const address = safeAddress(shown);
  return address && { text: shown, address, end: at + shown.length };
}

function blockNode(block) {
  switch (block.type) {
    case "code":
      return h("pre", { tabindex: "0" }, h("code", {}, block.text));
    case "quote":
      return h("blockquote", {}, block.children.map(blockNode));
    case "list":
      return h(
        block.ordered ? "ol" : "ul",
        block.ordered && block.start !== 1 ? { start: block.start } : {},
        block.items.map((item) => h("li", {}, item.map(inlineNode))),
      );
    default:
      return h("p", {}, block.children.map(inlineNode));
  }
}

function inlineNode(piece) {
  switch (piece.type) {
    case "text":
      return document.createTextNode(piece.text);
    case "br":
      return h("br");
    case "code":
      return h("code", {}, piece.text);
    case "link":
      return h(
        "a",
        { href: piece.address, target: "_blank", rel: "noopener noreferrer", title: piece.address },
        piece.children.map(inlineNode),
      );
    default:
      return h(piece.type, {}, piece.children.map(inlineNode));
  }
}
