// Where the commits of a graph stand: each in a lane, children above their parents, each lane waiting for one commit. Pure.

/** [{commit, lane, parents: [{id, lane}], width}] for commits that come newest first; parents that are not among them are no lines. */
export function laid(commits) {
  const drawn = new Set(commits.map((one) => one.id));
  const waiting = [];
  const free = () => {
    const at = waiting.indexOf(null);
    if (at >= 0) return at;
    waiting.push(null);
    return waiting.length - 1;
  };
  return commits.map((commit) => {
    let lane = waiting.indexOf(commit.id);
    if (lane < 0) lane = free();
    for (let at = 0; at < waiting.length; at++) if (waiting[at] === commit.id) waiting[at] = null;
    const parents = [...new Set(commit.parents)].filter((id) => drawn.has(id)).map((id, number) => {
      const place = number === 0 ? lane : waiting.includes(id) ? waiting.indexOf(id) : free();
      waiting[place] = id;
      return { id, lane: place };
    });
    const width = waiting.length;
    while (waiting.length && waiting.at(-1) === null) waiting.pop();
    return { commit, lane, parents, width: Math.max(width, lane + 1) };
  });
}
