"""From a Status stream of a one-to-one and what is here of it to the commits that are lacking. Pure. (SCP-09 §3.11)"""

from __future__ import annotations

from typing import Final

from swarmchat.conversation.actions import Initial, Other
from swarmchat.conversation.rules.authorship import Author
from swarmchat.crypto.secp256k1 import Key
from swarmchat.gateways.bindings import BINDING
from swarmchat.gateways.refusal import Refused
from swarmchat.gateways.status import notes
from swarmchat.gateways.status.pairs import Pair
from swarmchat.gateways.status.sayings import Sayings
from swarmchat.gateways.status.steps import Here, Plan, Step, Why, told_bad
from swarmchat.gateways.status.streams import Stream

_NONCE: Final = "0" * 32  # of a root that is only planned


def plan(stream: Stream, pair: Pair, here: Here | None, me: Author, own: Key | None, now_ms: int) -> Plan | Refused:
    """The commits that `me` has to write so that all of the stream stands in the log; `here` None: there is no log yet.

    `own` is the key of that account. Refused where neither is.
    """
    mine = own if here is None or here.mine is None else here.mine
    if mine is None or mine not in pair.keys:
        return Refused(Why.OTHERS)
    other = pair.other(mine)
    known = {placed.said.envelope.id for placed in here.said} if here is not None else set()
    new = [said for said in stream.said if said.envelope.id not in known]
    said = Sayings(me.account, now_ms, here.said if here is not None else (), [one.envelope.id for one in new])
    if here is None:
        said.steps.append(Step(Initial(0, _NONCE, other.uri), {"chat": other.legacy}))
    if here is None or here.mine is None:
        said.steps.append(Step(Other(BINDING), {}, binds=True))
    if here is not None and not here.is_open:
        names = {"body": other.legacy} if here.roster.is_invited(other.uri) else {}
        said.steps.append(Step(Other(notes.BRIDGE), {}, more=names))
    for one in sorted(new, key=lambda each: each.order):
        said.take(one, ())
    rows = (*[told_bad(bad) for bad in stream.bad], *said.rows)
    return Plan(other.legacy, tuple(said.steps), rows, len(stream.said) - len(new), here is None)
