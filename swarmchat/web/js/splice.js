// How the newest page of a conversation goes into what is held of it. Pure.

/** `held` with its end replaced by `page`, both oldest first; null when they do not meet and more has to be fetched. */
export function spliced(held, page) {
  if (page.length === 0) return [];
  const start = held.findIndex((one) => one.id === page[0].id);
  if (start < 0) return held.length === 0 ? [...page] : null;
  return [...held.slice(0, start), ...page];
}

/** `older` before `held`, without doubles. */
export function prepended(older, held) {
  const known = new Set(held.map((one) => one.id));
  return [...older.filter((one) => !known.has(one.id)), ...held];
}
