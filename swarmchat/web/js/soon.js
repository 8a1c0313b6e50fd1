// Many calls of one moment are one.

/** `does` as a function that may be called often: it runs once, a moment after the first call. */
export function soon(does, ms = 0) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      does();
    }, ms);
  };
}
