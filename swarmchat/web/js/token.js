// The token of the local API: from the fragment of the link that `swarmchat web` prints, kept for this tab alone.

const KEY = "swarmchat.token";

/** The token in what a person pastes: the whole link, its fragment, or the token alone; null where there is none. */
export function tokenIn(text) {
  const pasted = text.trim();
  const named = /(?:^|[#&?])token=([^&#\s]+)/.exec(pasted);
  if (named) return decoded(named[1]);
  return /^[\w.~+/=-]{8,512}$/.test(pasted) ? pasted : null;
}

/** Take the token out of the address bar, so that neither history nor a screenshot keeps it. */
export function takeFromAddress(where = window) {
  const { location, history, sessionStorage } = where;
  if (!/[#&]token=/.test(location.hash)) return;
  const token = tokenIn(location.hash);
  if (token) sessionStorage.setItem(KEY, token);
  history.replaceState(null, "", location.pathname + location.search);
}

export const token = () => sessionStorage.getItem(KEY);
export const keepToken = (text) => sessionStorage.setItem(KEY, text);
export const forgetToken = () => sessionStorage.removeItem(KEY);

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
