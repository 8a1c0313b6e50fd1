// What strangers wrote, made harmless to look at; ids, names, times. Pure.

const UNSEEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const PILE = /(\p{M}{4})\p{M}+/gu; // more marks than a script needs on one letter

/** Controls, marks that turn the direction of writing, and lone surrogates as words; piles of accents cut to four. */
export function plain(text) {
  return String(text)
    .replace(/\r\n?/g, "\n")
    .replace(UNSEEN, (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`)
    .replace(PILE, "$1");
}

/** The same in one line of at most `most` characters. */
export function line(text, most = 140) {
  const flat = plain(String(text).slice(0, most * 4)).replace(/\s+/g, " ").trim();
  return cut(flat, most);
}

/** At most so many characters, none of them halved. */
export function cut(text, most) {
  if (text.length <= most) return text;
  return `${[...text.slice(0, most)].join("").replace(/[\ud800-\udbff]$/, "").trimEnd()}…`;
}

export const short = (id) => String(id ?? "").slice(0, 8);

/** The hue of an id in degrees: the same on every machine. */
export function hue(id) {
  return Math.round((parseInt(String(id).slice(0, 6), 16) || 0) / 0xffffff * 360);
}

/** One or two letters to stand for a name. */
export function initials(name) {
  const words = plain(name).split(/[\s_.-]+/).map((word) => [...word].find((sign) => /[\p{L}\p{N}]/u.test(sign))).filter(Boolean);
  return (words.length > 1 ? words[0] + words[words.length - 1] : words[0] ?? "?").toUpperCase();
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const shortDay = new Intl.DateTimeFormat("en", { day: "numeric", month: "short" });

export const timeOfDay = (iso) => clock.format(new Date(iso));
export const fullTime = (iso) => `${day.format(new Date(iso))}, ${timeOfDay(iso)}`;

/** The calendar day of a time, to compare. */
export function dayOf(iso) {
  const at = new Date(iso);
  return `${at.getFullYear()}-${at.getMonth()}-${at.getDate()}`;
}

/** "Today", "Yesterday", or the day in words. */
export function dayName(iso, now = Date.now()) {
  if (dayOf(iso) === dayOf(now)) return "Today";
  if (dayOf(iso) === dayOf(now - 86_400_000)) return "Yesterday";
  return day.format(new Date(iso));
}

/** For a list: the time of day today, else the day. */
export function briefTime(iso, now = Date.now()) {
  if (!iso) return "";
  if (dayOf(iso) === dayOf(now)) return timeOfDay(iso);
  return shortDay.format(new Date(iso));
}

/** "3 min ago" and the like. */
export function ago(iso, now = Date.now()) {
  if (!iso) return "never";
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return shortDay.format(new Date(iso));
}

export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
