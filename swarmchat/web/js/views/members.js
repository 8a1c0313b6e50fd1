// Who is in a conversation, and the ballots that are open: what each needs and how it stands.

import { h } from "../dom.js";
import { ago, counted, line, short } from "../text.js";
import { BALLOTS, ROLES } from "../words.js";
import { confirm, form } from "./dialogs.js";
import { avatar, button, nameOf, shortId } from "./parts.js";

export async function drawMembers(app, conversation, again) {
  const [rows, ballots] = await Promise.all([app.api.call("member.list", { conversation, local: true }), app.api.call("member.votes", { conversation })]);
  const me = rows.find((row) => app.state.isMe(row.id));
  const about = app.state.conversation(conversation);
  const admins = rows.filter((row) => row.role === "admin").length;
  const context = { app, conversation, again, me, admins, ballots, mode: about?.mode, writable: about?.state === "ready" };
  const groups = ["admin", "member", "invited", "banned", "left"].map((role) => [role, rows.filter((row) => row.role === role)]).filter(([, all]) => all.length);
  return [
    ballots.length > 0 && h("section", { class: "ballots" }, h("h3", {}, "Open ballots"), ballots.map((ballot) => ballotNode(ballot, context))),
    context.writable && context.mode !== "one-to-one" && button("Invite somebody", () => invite(app, conversation), { class: "button block", "data-key": "invite" }),
    groups.map(([role, all]) => h("section", {}, h("h3", {}, `${ROLES[role]}${all.length > 1 && role !== "invited" && role !== "banned" && role !== "left" ? "s" : ""} · ${all.length}`), h("ul", { class: "rows" }, all.map((row) => memberNode(row, context))))),
  ];
}

function memberNode(row, context) {
  const { app } = context;
  const name = app.state.name(row.id, context.conversation);
  const presence = app.state.presence.get(row.id);
  const doable = deedsFor(row, context);
  return h(
    "li",
    { class: "row", "data-account": row.id },
    avatar(row.id, name, presence?.state ?? null),
    h(
      "div",
      { class: "row-main" },
      h("div", {}, nameOf(row.id, name), app.state.isMe(row.id) && h("span", { class: "muted" }, " (you)")),
      h("div", { class: "muted small" }, shortId(row.id), row.gateway && ` · on ${line(row.gateway, 20)}`, row.devices.length > 0 && ` · ${counted(row.devices.length, "device")}`, row.revoked.length > 0 && `, ${row.revoked.length} revoked`, row.read && ` · read ${ago(row.read.time)}`),
    ),
    doable.length > 0 && h("div", { class: "row-deeds" }, doable.map(([words, deed, danger]) => button(words, deed, { class: danger ? "button small danger-text" : "button small", "aria-label": `${words} ${line(name, 40)}`, "data-key": `${words}-${row.id}` }))),
  );
}

/** What I can do to somebody here, by my role, his, and the mode of the conversation. */
function deedsFor(row, { app, conversation, again, me, admins, mode, writable, ballots }) {
  if (!writable || me?.role !== "admin" || mode === "one-to-one") return [];
  const open = (kind) => ballots.some((one) => one.kind === kind && one.target === row.id);
  const vote = (kind) => ballot(app, conversation, kind, row, again);
  if (row.id === me.id) return admins > 1 ? [["Step down", () => demote(app, conversation)]] : [];
  const deeds = [];
  if (row.role === "member" && !open("promote")) deeds.push(["Promote", () => vote("promote")]);
  if ((row.role === "member" || row.role === "invited") && (mode === "admin-invites" || admins === 1)) deeds.push(["Remove", () => kick(app, conversation, row), true]);
  if (row.role !== "banned" && row.role !== "left" && !open("ban")) deeds.push(["Ban", () => vote("ban"), true]);
  if (row.role === "banned" && !open("unban")) deeds.push(["Unban", () => vote("unban")]);
  return deeds;
}

function ballotNode(ballot_, context) {
  const { app, conversation, me, again } = context;
  const isDevice = ballot_.target.length === 64;
  const whom = isDevice ? `device ${short(ballot_.target)}` : app.state.name(ballot_.target, conversation);
  const voted = ballot_.voters.includes(me?.id);
  return h(
    "article",
    { class: "ballot", "data-target": ballot_.target },
    h("div", {}, h("strong", {}, `${BALLOTS[ballot_.kind] ?? ballot_.kind} `), nameOf(ballot_.target, whom)),
    h("progress", { max: ballot_.needed, value: ballot_.voters.length, "aria-label": "Votes" }),
    h("div", { class: "muted small" }, `${ballot_.voters.length} of ${ballot_.needed} votes that it needs: `, h("bdi", {}, ballot_.voters.map((who) => line(app.state.name(who, conversation), 40)).join(", "))),
    voted ? h("div", { class: "muted small" }, "You have voted.") : me?.role === "admin" && button("Vote for it", () => ballot(app, conversation, ballot_.kind, { id: ballot_.target, isDevice }, again), { class: "button small primary", "data-key": `vote-${ballot_.target}` }),
  );
}

/** Ask first, with what a dry run says that it would come to. */
async function ballot(app, conversation, kind, row, again) {
  const params = { conversation, target: row.id, ...(row.isDevice ? { device: true } : {}) };
  const name = row.isDevice ? `the device ${short(row.id)}` : line(app.state.name(row.id, conversation), 64);
  let words;
  try {
    const plan = await app.api.call(`member.${kind}`, { ...params, dry_run: true });
    const resolves = plan.voters.length >= plan.needed;
    words = resolves
      ? `More than half of the admins must agree: ${plan.needed} of the votes. With yours that is reached, and it takes effect at once.`
      : `More than half of the admins must agree. It needs ${counted(plan.needed, "vote")}; with yours it has ${plan.voters.length}.`;
  } catch (fault) {
    if (!fault.code) throw fault;
    words = fault.message;
  }
  confirm(`${BALLOTS[kind]} ${name}?`, words, "Vote", async () => {
    await app.api.call(`member.${kind}`, params);
    again();
  }, { danger: kind === "ban" });
}

function kick(app, conversation, row) {
  confirm(`Remove ${line(app.state.name(row.id, conversation), 64)}?`, "It takes effect at once, without a ballot. Who was removed can be invited again.", "Remove", () => app.api.call("member.kick", { conversation, target: row.id }));
}

function demote(app, conversation) {
  confirm("Step down as an admin?", "You stay a member. Other admins can make you one again.", "Step down", () => app.api.call("member.demote", { conversation }));
}

/** Invite contacts, or anybody by the id of the account. */
export function invite(app, conversation) {
  const here = new Set((app.state.members.get(conversation) ?? []).filter((row) => ["admin", "member", "invited"].includes(row.role)).map((row) => row.id));
  const contacts = app.state.contacts.filter((one) => !here.has(one.id) && ["waiting", "confirmed"].includes(one.state));
  const fields = [{ name: "account", label: "Account id", hint: "40 digits; `swarmchat account show` prints it, and the page of settings shows yours. Several with spaces between them.", plain: true }];
  if (contacts.length) fields.unshift({ name: "contact", label: "A contact", choices: [["", "–"], ...contacts.map((one) => [one.id, line(app.state.name(one.id), 64)])] });
  form("Invite", fields, {
    does: "Invite",
    submit: async ({ contact, account }) => {
      const accounts = [...new Set([contact, ...account.split(/[\s,;]+/)].filter(Boolean))];
      if (!accounts.length) throw new Error("name somebody");
      await app.api.call("member.invite", { conversation, accounts });
      await app.state.loadMembers(conversation);
    },
  });
}
