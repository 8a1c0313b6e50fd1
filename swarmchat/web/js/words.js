// Commits that are no messages, in a sentence. Pure: `name` says what people call an account.

const RULE = {
  "one-to-one": "between two people",
  "admin-invites": "admins invite",
  private: "members invite",
  public: "open to everybody who has the link",
};

export const modeWords = (mode) => RULE[mode] ?? mode;

const DID = {
  add: (who, whom) => `${who} invited ${whom}`,
  join: (who) => `${who} joined`,
  leave: (who) => `${who} left`,
  remove: (who) => `${who} left`,
  kick: (who, whom) => `${who} removed ${whom}`,
  ban: (who, whom) => `${whom} was banned; ${who} closed the ballot`,
  unban: (who, whom) => `The ban of ${whom} was lifted; ${who} closed the ballot`,
  promote: (who, whom) => `${whom} is an admin now, by ${who}`,
  demote: (who) => `${who} is no admin any more`,
};

const GATEWAYS = {
  "application/status-identity": "said by which key gateways know them",
  "application/status-bridge": "opened the conversation for Status",
  "application/status-event": "passed on what happened in Status",
  "application/mvds-bridge": "opened the conversation for data sync",
  "application/mvds-event": "passed on what happened in data sync",
};

/** Who says it: the author, or who speaks through him (SCP-09 §1.5). Not harmless yet. */
export const speaker = (said, name) => (said.via ? `${said.via.name || name(said.via.account)} via ${name(said.author)}` : name(said.author));

/** By whose colour it is known. */
export const voice = (said) => said.via?.account ?? said.author;

/** What a commit other than a text says; `null` kinds are named as they are. */
export function sentence(message, name) {
  const who = name(message.author);
  const body = message.body ?? {};
  const target = typeof body.uri === "string" ? body.uri : "";
  const whom = target.length === 64 ? `the device ${target.slice(0, 8)}` : name(target);
  switch (message.type) {
    case "initial":
      return `${who} started the conversation`;
    case "member":
      return (DID[body.action] ?? (() => `${who}: ${body.action}`))(who, whom);
    case "vote":
      return `${who} voted to ${{ ban: "ban", unban: "lift the ban of", promote: "make an admin of" }[body.kind] ?? body.kind} ${whom}`;
    case "application/update-profile":
      return `${who} changed the profile`;
    case "application/update-device":
      return `${who} updated their devices`;
    case "application/data-transfer+json":
      return `${who} offers a file${body.displayName ? `: ${body.displayName}` : ""} (files are not built yet)`;
    case "application/call-history+json":
      return `${who} called`;
    default:
      return GATEWAYS[message.type] ? `${who} ${GATEWAYS[message.type]}` : `${who}: ${message.type}`;
  }
}

export const STATES = {
  syncing: "being fetched",
  refused: "refused",
  closed: "you are no longer in it",
  archived: "an archive, to be read",
};

export const PRESENCE = { linked: "linked", there: "reachable", away: "away", unknown: "not seen yet" };
export const ROLES = { admin: "Admin", member: "Member", invited: "Invited", banned: "Banned", left: "Left" };
export const BALLOTS = { ban: "Ban", unban: "Lift the ban of", promote: "Make an admin of" };
