// The commit graph as a drawing: one row a commit, one colour an author.

import { h, s } from "../dom.js";
import { laid } from "../lanes.js";
import { cut, hue, line, short } from "../text.js";

const ROW = 28;
const LANE = 16;
const LEFT = 14;
const LIMIT = 300;

export async function drawGraph(app, conversation) {
  const { commits } = await app.api.call("graph", { conversation, limit: LIMIT });
  const rows = laid(commits);
  const place = new Map(rows.map((row, number) => [row.commit.id, { lane: row.lane, number }]));
  const lanes = Math.max(1, ...rows.map((row) => row.width));
  const words = LEFT + lanes * LANE + 6;
  const height = rows.length * ROW + 8;
  const x = (lane) => LEFT + lane * LANE;
  const y = (number) => ROW / 2 + number * ROW;
  const edges = rows.flatMap((row, number) => row.parents.map(({ id, lane }) => {
    const to = place.get(id);
    return s("path", { class: row.parents.length > 1 ? "edge merge" : "edge", "--hue": `${hue(row.commit.author)}deg`, d: edge(x(row.lane), y(number), x(lane), x(to.lane), y(to.number)) });
  }));
  const dots = rows.map(({ commit, lane }, number) =>
    s("g", { class: "commit", tabindex: "-1" },
      s("circle", { class: commit.author ? "dot" : "dot merge", "--hue": `${hue(commit.author)}deg`, cx: x(lane), cy: y(number), r: commit.author ? 5.5 : 4 }, s("title", {}, commit.id)),
      s("text", { x: words, y: y(number) + 4 },
        s("tspan", { class: "id" }, short(commit.id)),
        s("tspan", { class: commit.author ? "who" : "what", "--hue": `${hue(commit.author)}deg`, x: words + 72 }, commit.author ? cut(line(app.state.name(commit.author, conversation), 40), 16) : "merge"),
        s("tspan", { class: "what", dx: 8 }, commit.author ? line(commit.type.replace("application/", ""), 40) : "")),
    ));
  return [
    h("p", { class: "muted small" }, commits.length < LIMIT ? `All ${commits.length} commits, newest first.` : `The newest ${LIMIT} commits.`),
    h("div", { class: "graph-scroll", tabindex: "0", role: "region", "aria-label": "Commit graph" },
      s("svg", { class: "graph", width: words + 330, height, viewBox: `0 0 ${words + 330} ${height}`, role: "img", "aria-label": `Commit graph with ${commits.length} commits` }, edges, dots)),
  ];
}

/** From a commit into the lane where its parent is waited for, down that lane, and across into the parent. */
function edge(x0, y0, x1, x2, y2) {
  const bend = ROW * 0.55;
  if (x0 === x1 && x1 === x2) return `M${x0} ${y0}L${x2} ${y2}`;
  if (y2 - y0 <= ROW) return `M${x0} ${y0}C${x0} ${y0 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
  const into = x0 === x1 ? `M${x0} ${y0}` : `M${x0} ${y0}C${x0} ${y0 + bend} ${x1} ${y0 + ROW - bend} ${x1} ${y0 + ROW}`;
  const out = x1 === x2 ? `L${x2} ${y2}` : `L${x1} ${y2 - ROW}C${x1} ${y2 - ROW + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
  return into + out;
}
