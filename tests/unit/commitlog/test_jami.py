"""What Jami made is judged commit by commit: honest histories are valid, a doctored one is refused with its rule. (SCP-02 §9)"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from swarmchat import limits
from swarmchat.commitlog import jami
from swarmchat.commitlog.audit import Report
from swarmchat.conversation.jami.commit import JamiCommit, parse
from swarmchat.conversation.jami.judge import Verdict, judge
from swarmchat.conversation.past import Past
from swarmchat.conversation.rejection import Reason, Rejection
from swarmchat.ids import ConversationId
from tests.support.jami import (
    ALICE,
    BOB,
    BUNDLE,
    CAROL,
    MADE,
    MALLORY,
    PHONE,
    TEN_YEARS,
    Device,
    Objects,
    Story,
    bundled,
    certificate,
    doctored,
    group,
    line,
    member,
    pair,
    short_id,
)

VECARD = b"BEGIN:VCARD\nVERSION:2.1\nFN:Boats\nDESCRIPTION:two\nlines\nPHOTO;ENCODING=BASE64\n\n\nEND:VCARD"


def judged(told: Objects) -> Report:
    assert told.main
    return jami.audit(told, told.main).report


def first_fault(told: Objects) -> Rejection:
    report = judged(told)
    assert not report.valid
    return report.rejections[0]


# --- honest histories


def test_the_real_bundle_is_valid() -> None:
    report = judged(bundled())
    assert report.valid
    assert (report.form, report.commits, report.merges) == ("jami", 8, 0)
    assert report.conversation == "eb15b5c699a5438291b883584a6af910d1713e1e"
    assert report.roster is not None
    assert report.roster.admins == {"536cd90b682e87f65411ff3b57146a4832d24f7f"}
    assert report.roster.members == {"ec5c808b3749e8fa232bc51e6fa4e08facb2ffba"}
    assert sorted(report.roster.devices.values()) == sorted(report.roster.joined)


def test_a_group_with_everything_that_jami_does_is_valid() -> None:
    story = group()
    story.write(ALICE, {"type": "application/update-profile"}, {"profile.vcf": VECARD})
    story.write(ALICE, {"type": "application/update-profile"})  # the same again
    said = story.text(BOB, "first")
    story.text(BOB, "second", more={"edit": said})
    story.text(BOB, "third", more={"edit": said}, time=1_690_000_000 + 10_000_000)  # its clock ran back
    story.text(CAROL, "👍", more={"react-to": said})
    story.text(CAROL, "why", more={"reply-to": said})
    story.write(CAROL, {"body": "old style", "edit": line(story)[-1], "type": "application/edited-message"})
    offer = {"displayName": "a.png", "sha3sum": "0" * 128, "tid": "77", "totalSize": "12"}
    sent = story.write(BOB, {"type": "application/data-transfer+json"} | offer)
    story.write(BOB, {"type": "application/data-transfer+json", "edit": sent, "tid": ""})
    story.write(BOB, {"type": "application/of-tomorrow", "x": 1})
    fork = story.main
    one = story.text(ALICE, "here", at=fork)
    two = story.add(BOB, MALLORY, at=fork)
    story.merge(CAROL, one, two, base=fork)
    story.join(MALLORY)
    for kind in ("ban", "unban", "ban"):
        story.vote(ALICE, kind, "members", MALLORY.uri)
        story.vote(ALICE, kind, "members", MALLORY.uri)  # again, which changes nothing
        story.resolve(ALICE, kind, "members", MALLORY.uri)
    story.vote(ALICE, "ban", "devices", BOB.id)
    story.resolve(ALICE, "ban", "devices", BOB.id)
    story.leave(CAROL)
    story.add(ALICE, CAROL)
    story.join(CAROL)
    story.leave(ALICE)  # the only admin may go
    story.text(CAROL, "alone")
    report = judged(story)
    assert report.rejections == ()
    assert report.merges == 1
    assert report.roster is not None
    assert report.roster.members == {BOB.uri, CAROL.uri}
    assert set(report.roster.banned) == {MALLORY.uri, BOB.id}


def test_a_one_to_one_left_and_joined_again_is_valid() -> None:
    story = pair()
    story.leave(BOB)
    story.add(ALICE, BOB)
    story.join(BOB)
    assert judged(story).valid


def test_a_one_to_one_with_oneself_is_valid() -> None:
    story = Story(0)
    story.root(ALICE, ALICE)
    story.text(PHONE, "a note to myself")
    report = judged(story)
    assert report.valid
    assert report.roster is not None
    assert report.roster.joined == {ALICE.uri}


def test_a_ban_may_take_the_devices_of_its_target() -> None:
    story = group()
    story.vote(ALICE, "ban", "members", BOB.uri)
    story.resolve(ALICE, "ban", "members", BOB.uri, more={BOB.path: None})
    assert judged(story).valid


def test_who_is_admin_does_not_join_himself() -> None:
    story = Story(0)
    story.root(ALICE, ALICE)
    story.join(ALICE)
    wrote(story, "10", ALICE.member)


def test_a_device_does_not_ban_itself() -> None:
    story = group()
    story.vote(ALICE, "ban", "devices", PHONE.id)
    story.resolve(PHONE, "ban", "devices", PHONE.id, alone=True)
    wrote(story, "5", PHONE.path)


def test_certificates_are_renewed_in_any_commit_of_their_owner() -> None:
    story = group()
    end = MADE + 2 * TEN_YEARS
    account = certificate("bob", "ca", ca=True, end=end) + certificate("ca", "ca", ca=True, end=end)
    device = certificate("bob-laptop", "bob", ca=False, end=end)
    story.text(BOB, "renewed", changes={BOB.member: account, BOB.path: device}, time=MADE + TEN_YEARS + 100)
    story.text(BOB, "later", time=MADE + TEN_YEARS + 200)
    assert judged(story).valid


def test_a_file_that_two_sides_changed_is_as_either_has_it() -> None:
    for winner in (b"1", b"2"):
        story = group()
        fork = story.main
        one = story.write(ALICE, {"type": "application/update-profile"}, {"profile.vcf": b"1"}, at=fork)
        two = story.write(PHONE, {"type": "application/update-profile"}, {"profile.vcf": b"2"}, at=fork)
        story.merge(BOB, one, two, {**story.files[one], "profile.vcf": winner})
        assert judged(story).valid


def test_criss_cross_merges_are_valid() -> None:
    story = group()
    fork = story.main
    assert fork
    one, two = story.text(ALICE, "a", at=fork), story.add(BOB, MALLORY, at=fork)
    left = story.merge(ALICE, one, two, base=fork)
    right = story.merge(BOB, two, one, base=fork)
    ahead = story.text(ALICE, "b", at=left)
    story.merge(CAROL, ahead, right, dict(story.files[ahead]))
    report = judged(story)
    assert report.rejections == ()
    assert report.merges == 3


# --- doctored ones


def wrote(story: Story, rule: str, path: str | None = None) -> None:
    """The newest commit of a story is refused, by this rule and at this path, and nothing else is."""
    report = judged(story)
    assert [one.commit for one in report.rejections] == [story.main], report.rejections
    assert report.rejections[0].rule == f"SCP-02 §9.{rule}"
    if path is not None:
        assert report.rejections[0].path == path


@pytest.mark.parametrize("number", range(8))
def test_a_flipped_bit_of_any_signature_of_the_real_bundle_is_found(number: int) -> None:
    def flip(raw: bytes) -> bytes:
        at = raw.index(b"\nsignature ") + 40
        return raw[:at] + (b"A" if raw[at : at + 1] != b"A" else b"B") + raw[at + 1 :]

    told, struck = doctored(bundled(), number, flip)
    fault = first_fault(told)
    assert (fault.commit, fault.reason) == (struck, Reason.JAMI_SIGNATURE)


@pytest.mark.parametrize(
    ("number", "old", "new", "reason"),
    [
        (2, b"one to one", b"two by two", Reason.JAMI_SIGNATURE),
        (2, b" 1795245116 +", b" 1795245117 +", Reason.JAMI_SIGNATURE),
        (2, b" 1795245116 +", b" 1295245116 +", Reason.JAMI_CHAIN),  # before the certificates
        (2, b" 1795245116 +", b" 2795245116 +", Reason.JAMI_CHAIN),  # after them
        (2, b"Alice <", b"Alicia <", Reason.JAMI_SIGNATURE),
        (2, b"author Alice", b"author Eve", Reason.JAMI_MALFORMED),  # the committer is another
        (2, b" +0000", b" +0100", Reason.JAMI_MALFORMED),
        (2, b'"type"', b'"type":"a","type"', Reason.JAMI_MALFORMED),
        (2, b"\nsignature ", b"\ngpgsig ", Reason.JAMI_MALFORMED),
        (
            4,
            b"5642485ca243a8b22abdbda3f75a19ada330e7b96cf4d5669845b4807216f994",
            b"d9bdbc3c51bd93c6b45b0e135087a199711b13cb4b1411f143db0c5ab867a574",
            Reason.JAMI_SIGNATURE,  # by the other's device
        ),
        (
            4,
            b"5642485ca243a8b22abdbda3f75a19ada330e7b96cf4d5669845b4807216f994",
            b"5" * 64,
            Reason.JAMI_AUTHOR,  # by a device that is not in it
        ),
        (5, b"da44ad50", b"da44ad51", Reason.JAMI_SIGNATURE),
        (0, b'"mode":0', b'"mode":2', Reason.JAMI_SIGNATURE),
        (0, b"initial", b"another", Reason.JAMI_ROOT),
    ],
)
def test_an_altered_commit_of_the_real_bundle_is_found(number: int, old: bytes, new: bytes, reason: Reason) -> None:
    told, struck = doctored(bundled(), number, lambda raw: raw.replace(old, new) if number != 5 else raw[:-1] + b" }")
    fault = first_fault(told)
    assert (fault.commit, fault.reason) == (struck, reason)


def test_every_byte_of_a_real_commit_counts() -> None:
    told = bundled()
    commits = line(told)
    raw = told.read(1, bytes.fromhex(commits[-1]))
    here = jami.audit(told, commits[-2]).here
    past, before = Past(here.history, commits[-2]), here.roster_at(commits[-2])
    room = ConversationId(commits[0])
    whole = parse(commits[-1], raw)
    assert isinstance(whole, JamiCommit)
    assert isinstance(judge(whole, {}, before, past, conversation=room), Verdict)
    for at in range(len(raw)):
        commit = parse(commits[-1], raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :])
        if isinstance(commit, JamiCommit):
            assert isinstance(judge(commit, {}, before, past, conversation=room), Rejection), (at, raw[at])


def test_nothing_is_built_on_what_was_refused() -> None:
    told, struck = doctored(bundled(), 3, lambda raw: raw.replace(b"hi A", b"hi B"))
    report = judged(told)
    assert [one.reason for one in report.rejections] == [Reason.JAMI_SIGNATURE] + [Reason.REFUSED_PARENT] * 4
    assert report.commits == 3
    assert report.rejections[0].commit == struck
    assert report.roster is None


def forged_device(story: Story) -> Device:
    """Mallory's device with a certificate that names Alice as issuer, signed by Mallory: what Jami does not find out."""
    file = certificate("mallory-laptop", "mallory", ca=False, uid=short_id("alice"))
    before = story.files[story.main or ""]
    before[MALLORY.path] = file
    return MALLORY


Doctoring = Callable[[Story], object]
PROFILE = {"type": "application/update-profile"}
TEXT = {"body": "x", "type": "text/plain"}

DOCTORED: dict[str, tuple[Doctoring, str, str | None]] = {
    # the object (§9.2), the tree (§9.3)
    "unsigned": (lambda s: s.write(BOB, TEXT, signer=None), "2", None),
    "no JSON": (lambda s: s.write(BOB, b"hello"), "2", None),
    "a merge message with one parent": (lambda s: s.write(BOB, b"Merge commit 'x'"), "2", None),
    "no type": (lambda s: s.write(BOB, {"body": "x"}), "2", None),
    "an unknown member action": (lambda s: s.write(BOB, member("crown", BOB.uri)), "2", None),
    "a member that is no id": (lambda s: s.write(BOB, member("add", "BOB")), "2", None),
    "reply and edit at once": (
        lambda s: s.write(BOB, TEXT | {"edit": "1" * 40, "reply-to": "1" * 40}),
        "2",
        None,
    ),
    "another file": (lambda s: s.text(BOB, changes={"notes.txt": b"x"}), "3", "notes.txt"),
    "a file in a folder of our own": (lambda s: s.text(BOB, changes={"members/x": b"x"}), "3", "members/x"),
    "a name with a bar": (lambda s: s.text(BOB, changes={BOB.path + " | 1x": b"x"}), "3", None),
    "an executable file": (lambda s: s.text(BOB, mode=b"100755"), "3", ""),
    "a symbolic link": (lambda s: s.text(BOB, mode=b"120000"), "3", ""),
    "an attachment": (lambda s: s.text(BOB, changes={"attachments/" + "1" * 40: b"x"}), "3", "attachments"),
    # the chain (§9.4)
    "a device certified by nobody": (
        lambda s: s.text(
            forged_device(s),
            files={
                **s.files[s.main or ""],
                MALLORY.path: certificate("mallory-laptop", "mallory", ca=False, uid=short_id("alice")),
            },
        ),
        "4",
        ALICE.admin,
    ),
    "a device file under another name": (
        lambda s: s.text(BOB, changes={BOB.path: ALICE.file}, device=BOB.id),
        "4",
        BOB.path,
    ),
    "two certificates for a device": (lambda s: s.text(BOB, changes={BOB.path: BOB.file + BOB.chain}), "4", BOB.path),
    "a certificate that is none": (lambda s: s.text(BOB, changes={BOB.path: b"\0binary"}), "4", BOB.path),
    "a device that certifies": (
        lambda s: s.text(BOB, changes={BOB.path: certificate("bob-laptop", "bob", ca=True)}),
        "4",
        BOB.member,
    ),
    "an account without its CA": (
        lambda s: s.text(BOB, changes={BOB.member: certificate("bob", "ca", ca=True)}),
        "4",
        BOB.member,
    ),
    "a CA that did not sign": (
        lambda s: s.text(
            BOB,
            changes={
                BOB.member: certificate("bob", "ca", ca=True, signer="mallory") + certificate("ca", "ca", ca=True)
            },
        ),
        "4",
        BOB.member,
    ),
    "a small key": (
        lambda s: s.text(BOB, changes={BOB.path: certificate("too-small", "bob", ca=False)}),
        "4",
        BOB.path,
    ),
    "expired": (lambda s: s.text(BOB, time=MADE + TEN_YEARS + 1), "4", BOB.member),
    "dated before its certificate": (lambda s: s.text(BOB, time=MADE - limits.NOT_BEFORE_SLACK_S - 1), "4", BOB.member),
    # the author (§9.5), the signature (§9.6)
    "a stranger": (lambda s: s.text(MALLORY), "5", None),
    "a device without a file": (lambda s: s.text(MALLORY, alone=True), "5", MALLORY.path),
    "a stranger who makes himself a member": (
        lambda s: s.text(MALLORY, changes={MALLORY.member: MALLORY.chain}),
        "5",
        None,
    ),
    "who is only invited": (lambda s: (s.add(ALICE, MALLORY), s.text(MALLORY)), "5", None),
    "who has left": (lambda s: (s.leave(BOB), s.text(BOB)), "5", None),
    "who is banned": (
        lambda s: (s.vote(ALICE, "ban", "members", BOB.uri), s.resolve(ALICE, "ban", "members", BOB.uri), s.text(BOB)),
        "5",
        None,
    ),
    "a banned device": (
        lambda s: (s.vote(ALICE, "ban", "devices", BOB.id), s.resolve(ALICE, "ban", "devices", BOB.id), s.text(BOB)),
        "5",
        None,
    ),
    "signed by another": (lambda s: s.text(BOB, signer="carol-laptop"), "6", None),
    "signed by the account": (lambda s: s.text(BOB, signer="bob"), "6", None),
    # what may change (§9.7)
    "a member added by a text": (lambda s: s.text(BOB, changes={MALLORY.member: MALLORY.chain}), "7", MALLORY.member),
    "an admin added by a text": (lambda s: s.text(BOB, changes={BOB.admin: BOB.chain}), "7", BOB.admin),
    "another's device added": (lambda s: s.text(BOB, changes={MALLORY.path: MALLORY.file}), "7", MALLORY.path),
    "another's device removed": (lambda s: s.text(BOB, changes={CAROL.path: None}), "7", CAROL.path),
    "another's certificate replaced": (lambda s: s.text(BOB, changes={CAROL.member: BOB.chain}), "7", CAROL.member),
    "a ban without a ballot": (
        lambda s: s.text(ALICE, changes={BOB.member: None, "banned/" + BOB.member: BOB.chain}),
        "7",
        "banned/" + BOB.member,
    ),
    "a profile in a text": (lambda s: s.text(ALICE, changes={"profile.vcf": VECARD}), "7", "profile.vcf"),
    "a binary file in a text": (lambda s: s.text(BOB, changes={"profile.vcf": b"\0\1"}), "7", "profile.vcf"),
    "an edit that makes an admin": (
        lambda s: s.text(BOB, more={"edit": s.text(BOB, "y")}, changes={BOB.admin: BOB.chain}),
        "7",
        BOB.admin,
    ),
    "a revocation list": (lambda s: s.text(BOB, changes={f"CRLs/{BOB.uri}": b"x"}), "7", f"CRLs/{BOB.uri}"),
    "an invitation with a vote in it": (
        lambda s: s.write(
            ALICE,
            member("add", MALLORY.uri),
            {f"invited/{MALLORY.uri}": b"", f"votes/ban/members/{BOB.uri}/{ALICE.uri}": b""},
        ),
        "7",
        f"votes/ban/members/{BOB.uri}/{ALICE.uri}",
    ),
    # the root (§9.8)
    "a second beginning": (lambda s: s.write(ALICE, {"mode": 2, "type": "initial"}), "8", None),
    # add (§9.9)
    "inviting a member": (lambda s: s.add(BOB, CAROL), "9", None),
    "inviting oneself": (lambda s: s.add(BOB, BOB), "9", None),
    "inviting twice": (lambda s: (s.add(BOB, MALLORY), s.add(CAROL, MALLORY)), "9", None),
    "inviting the banned": (
        lambda s: (
            s.vote(ALICE, "ban", "members", CAROL.uri),
            s.resolve(ALICE, "ban", "members", CAROL.uri),
            s.add(BOB, CAROL),
        ),
        "9",
        f"invited/{CAROL.uri}",
    ),
    "an invitation with content": (
        lambda s: s.write(BOB, member("add", MALLORY.uri), {f"invited/{MALLORY.uri}": b"x"}),
        "9",
        f"invited/{MALLORY.uri}",
    ),
    "an invitation of another": (
        lambda s: s.write(BOB, member("add", MALLORY.uri), {f"invited/{'1' * 40}": b""}),
        "9",
        f"invited/{MALLORY.uri}",
    ),
    # join (§9.10)
    "joining uninvited": (
        lambda s: s.write(MALLORY, member("join", MALLORY.uri), {MALLORY.member: MALLORY.chain}),
        "10",
        f"invited/{MALLORY.uri}",
    ),
    "joining and staying invited": (
        lambda s: (s.add(BOB, MALLORY), s.write(MALLORY, member("join", MALLORY.uri), {MALLORY.member: MALLORY.chain})),
        "10",
        f"invited/{MALLORY.uri}",
    ),
    "joining for another": (
        lambda s: (
            s.add(BOB, MALLORY),
            s.write(BOB, member("join", MALLORY.uri), {f"invited/{MALLORY.uri}": None, MALLORY.member: MALLORY.chain}),
        ),
        "10",
        MALLORY.member,
    ),
    "joining as admin": (
        lambda s: (
            s.add(BOB, MALLORY),
            s.write(
                MALLORY, member("join", MALLORY.uri), {f"invited/{MALLORY.uri}": None, MALLORY.admin: MALLORY.chain}
            ),
        ),
        "10",
        MALLORY.member,
    ),
    # remove (§9.11)
    "leaving in another's name": (
        lambda s: s.write(BOB, member("remove", CAROL.uri), {BOB.member: None}),
        "11",
        None,
    ),
    "removing another": (
        lambda s: s.write(BOB, member("remove", CAROL.uri), {CAROL.member: None}),
        "11",
        None,
    ),
    "a removal that makes an admin": (
        lambda s: s.write(BOB, member("remove", BOB.uri), {BOB.admin: BOB.chain}),
        "11",
        BOB.member,
    ),
    "leaving and taking another's device": (
        lambda s: s.write(BOB, member("remove", BOB.uri), {BOB.member: None, BOB.path: None, CAROL.path: None}),
        "7",
        CAROL.path,
    ),
    # vote (§9.12)
    "a vote by a member": (lambda s: s.vote(BOB, "ban", "members", CAROL.uri), "12", None),
    "a vote in another's name": (
        lambda s: s.write(ALICE, {"type": "vote", "uri": BOB.uri}, {f"votes/ban/members/{BOB.uri}/{CAROL.uri}": b""}),
        "12",
        None,
    ),
    "a vote on somebody else than it says": (
        lambda s: s.write(ALICE, {"type": "vote", "uri": CAROL.uri}, {f"votes/ban/members/{BOB.uri}/{ALICE.uri}": b""}),
        "12",
        None,
    ),
    "a vote on nobody": (lambda s: s.vote(ALICE, "ban", "members", MALLORY.uri), "12", None),
    "a vote on oneself": (lambda s: s.vote(ALICE, "ban", "admins", ALICE.uri), "12", None),
    "a vote with content": (
        lambda s: s.write(ALICE, {"type": "vote", "uri": BOB.uri}, {f"votes/ban/members/{BOB.uri}/{ALICE.uri}": b"1"}),
        "12",
        None,
    ),
    "a vote to promote": (lambda s: s.vote(ALICE, "promote", "members", BOB.uri), "12", None),
    "a vote to promote who is banned": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.resolve(ALICE, "ban", "members", BOB.uri),
            s.vote(ALICE, "promote", "members", BOB.uri),
        ),
        "12",
        None,
    ),
    "two votes at once": (
        lambda s: s.write(
            ALICE,
            {"type": "vote", "uri": BOB.uri},
            {f"votes/ban/members/{one.uri}/{ALICE.uri}": b"" for one in (BOB, CAROL)},
        ),
        "12" if BOB.uri > CAROL.uri else "7",
        None,
    ),
    "a vote to unban who is not banned": (lambda s: s.vote(ALICE, "unban", "members", BOB.uri), "12", None),
    # ban, unban (§9.13)
    "a ban without votes": (lambda s: s.resolve(ALICE, "ban", "members", BOB.uri), "13", None),
    "a ban by a member": (
        lambda s: (s.vote(ALICE, "ban", "members", BOB.uri), s.resolve(CAROL, "ban", "members", BOB.uri)),
        "13",
        None,
    ),
    "an unban without votes": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.resolve(ALICE, "ban", "members", BOB.uri),
            s.resolve(ALICE, "unban", "members", BOB.uri),
        ),
        "13",
        None,
    ),
    "a ban that moves nothing": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.write(ALICE, member("ban", BOB.uri), {f"votes/ban/members/{BOB.uri}/{ALICE.uri}": None}),
        ),
        "13",
        None,
    ),
    "a ban to two places": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.resolve(ALICE, "ban", "members", BOB.uri, more={"banned/" + BOB.admin: BOB.chain}),
        ),
        "13",
        None,
    ),
    "a ban of who has left": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.leave(BOB),
            s.resolve(ALICE, "ban", "members", BOB.uri),
        ),
        "13",
        BOB.member,
    ),
    "an unban that takes a device": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.resolve(ALICE, "ban", "members", BOB.uri),
            s.vote(ALICE, "unban", "members", BOB.uri),
            s.resolve(ALICE, "unban", "members", BOB.uri, more={BOB.path: None}),
        ),
        "7",
        BOB.path,
    ),
    "a ban that keeps its votes": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.write(ALICE, member("ban", BOB.uri), {BOB.member: None, "banned/" + BOB.member: BOB.chain}),
        ),
        "13",
        f"votes/ban/members/{BOB.uri}/{ALICE.uri}",
    ),
    "a ban that leaves its target": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.resolve(ALICE, "ban", "members", BOB.uri, more={BOB.member: BOB.chain}),
        ),
        "13",
        BOB.member,
    ),
    "a ban with another certificate": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.resolve(ALICE, "ban", "members", BOB.uri, more={"banned/" + BOB.member: CAROL.chain}),
        ),
        "13",
        "banned/" + BOB.member,
    ),
    "a ban that takes another's device": (
        lambda s: (
            s.vote(ALICE, "ban", "members", BOB.uri),
            s.resolve(ALICE, "ban", "members", BOB.uri, more={CAROL.path: None}),
        ),
        "7",
        CAROL.path,
    ),
    # profile (§9.14)
    "a profile by a member": (lambda s: s.write(BOB, PROFILE, {"profile.vcf": VECARD}), "14", "profile.vcf"),
    "a profile removed": (
        lambda s: (s.write(ALICE, PROFILE, {"profile.vcf": VECARD}), s.write(ALICE, PROFILE, {"profile.vcf": None})),
        "14",
        "profile.vcf",
    ),
    # references (§9.15)
    "an edit of another's text": (lambda s: s.text(BOB, more={"edit": s.text(CAROL)}), "15", None),
    "an edit of nothing": (lambda s: s.text(BOB, more={"edit": "1" * 40}), "15", None),
    "an edit of a commit on another branch": (
        lambda s: s.text(BOB, more={"edit": s.text(BOB, at=(at := s.main))}, at=at),
        "15",
        None,
    ),
    "an edit of an edit": (
        lambda s: s.text(BOB, more={"edit": s.text(BOB, more={"edit": s.text(BOB)})}),
        "15",
        None,
    ),
    "an edit of an invitation": (lambda s: s.text(BOB, more={"edit": s.add(BOB, MALLORY)}), "15", None),
    "a reaction to nothing": (lambda s: s.text(BOB, more={"react-to": "1" * 40}), "15", None),
}


@pytest.mark.parametrize("name", DOCTORED)
def test_a_doctored_commit_is_refused_by_its_rule(name: str) -> None:
    doctor, rule, path = DOCTORED[name]
    story = group()
    doctor(story)
    wrote(story, rule, path or None)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda files: {**files, MALLORY.member: MALLORY.chain}, MALLORY.member),
        (lambda files: {**files, BOB.admin: BOB.chain}, BOB.admin),
        (lambda files: {path: file for path, file in files.items() if path != CAROL.member}, CAROL.member),
        (lambda files: {path: file for path, file in files.items() if "invited" not in path}, f"invited/{MALLORY.uri}"),
        (lambda files: {**files, BOB.member: CAROL.chain}, BOB.member),
    ],
)
def test_a_merge_that_smuggles_is_refused(change: Callable[[dict[str, bytes]], dict[str, bytes]], path: str) -> None:
    story = group()
    fork = story.main
    one, two = story.text(ALICE, at=fork), story.add(BOB, MALLORY, at=fork)
    honest = story.merge(CAROL, one, two, base=fork)
    assert judged(story).valid
    story.merge(ALICE, one, two, change(dict(story.files[honest])))
    wrote(story, "16", path)


def test_a_merge_does_not_take_back_a_ban() -> None:
    story = group()
    fork = story.main
    text = story.text(CAROL, at=fork)
    story.vote(ALICE, "ban", "members", BOB.uri, at=fork)
    ban = story.resolve(ALICE, "ban", "members", BOB.uri)
    for parents in ((text, ban), (ban, text)):
        story.merge(BOB, *parents, dict(story.files[text]))
        wrote(story, "16", "banned/" + BOB.member)


@pytest.mark.parametrize(
    ("by", "more", "rule"),
    [
        (MALLORY, {}, "5"),
        (BOB, {"signer": "carol-laptop"}, "6"),
        (BOB, {"signer": None}, "2"),
        (BOB, {"time": MADE + TEN_YEARS + 1}, "4"),
    ],
)
def test_who_merges_is_judged_too(by: Device, more: dict[str, object], rule: str) -> None:
    story = group()
    fork = story.main
    one, two = story.text(ALICE, at=fork), story.text(BOB, at=fork)
    story.merge(by, one, two, base=fork, **more)
    wrote(story, rule)


def test_a_merge_brings_no_second_root_in() -> None:
    story = group()
    one = story.main
    assert one
    other = story.write(MALLORY, {"mode": 2, "type": "initial"}, {MALLORY.admin: MALLORY.chain}, parents=())
    story.merge(ALICE, one, other, dict(story.files[one]))
    report = judged(story)
    assert [fault.reason for fault in report.rejections] == [Reason.JAMI_ROOT, Reason.REFUSED_PARENT]
    assert report.rejections[0].commit == other


def test_three_parents_are_no_merge_of_jami() -> None:
    story = group()
    fork = story.main
    parents = tuple(story.text(who, at=fork) for who in (ALICE, BOB, CAROL))
    story.write(ALICE, b"Merge commit 'x'", parents=parents, files=dict(story.files[parents[0]]))
    wrote(story, "2")


@pytest.mark.parametrize(
    ("mode", "message", "changes", "rule"),
    [
        (2, {"mode": 4, "type": "initial"}, {}, "2"),
        (2, {"mode": 9, "type": "initial"}, {}, "2"),
        (2, {"mode": True, "type": "initial"}, {}, "2"),
        (0, {"mode": 0, "type": "initial"}, {}, "2"),
        (0, {"invited": BOB.uri, "mode": 0, "type": "initial"}, {}, "8"),
        (0, {"invited": BOB.uri, "mode": 0, "type": "initial"}, {f"invited/{BOB.uri}": b"x"}, "8"),
        (2, {"mode": 2, "type": "initial"}, {BOB.member: BOB.chain}, "8"),
        (2, {"mode": 2, "type": "initial"}, {f"invited/{BOB.uri}": b""}, "8"),
        (2, {"body": "x", "type": "text/plain"}, {}, "8"),
    ],
)
def test_a_root_is_exactly_what_jami_makes(
    mode: int, message: dict[str, object], changes: dict[str, bytes], rule: str
) -> None:
    story = Story(mode)
    story.write(ALICE, message, {ALICE.admin: ALICE.chain, **changes})
    wrote(story, rule)


def test_the_root_is_signed_by_its_creator() -> None:
    story = Story()
    story.write(ALICE, {"mode": 2, "type": "initial"}, {ALICE.admin: ALICE.chain}, signer="bob-laptop")
    wrote(story, "6")


def test_another_root_than_the_one_that_was_claimed_is_refused() -> None:
    told = bundled()
    assert told.main
    report = jami.audit(told, told.main, ConversationId("1" * 40)).report
    assert report.rejections[0].reason is Reason.JAMI_ROOT


@pytest.mark.parametrize(
    ("tell", "rule"),
    [
        (lambda s: s.add(ALICE, CAROL), "9"),
        (lambda s: s.vote(ALICE, "ban", "members", BOB.uri), "12"),
        (lambda s: s.resolve(ALICE, "ban", "members", BOB.uri), "13"),
    ],
)
def test_a_one_to_one_stays_one(tell: Doctoring, rule: str) -> None:
    story = pair()
    tell(story)
    wrote(story, rule)


def test_in_mode_1_only_admins_invite() -> None:
    story = group(1)
    assert judged(story).valid
    story.add(BOB, MALLORY)
    wrote(story, "9")


def test_who_backdates_does_not_outlive_the_certificate() -> None:
    story = group()
    end = MADE + 2 * TEN_YEARS
    account = certificate("bob", "ca", ca=True, end=end) + certificate("ca", "ca", ca=True, end=end)
    renewed = certificate("bob-laptop", "bob", ca=False, end=end)
    story.text(BOB, "renewed", changes={BOB.member: account, BOB.path: renewed}, time=MADE + TEN_YEARS + 100)
    story.text(BOB, "old certificates, an old date", changes={BOB.member: BOB.chain, BOB.path: BOB.file})
    wrote(story, "4")


# --- bounds (§9.17)


def test_a_history_over_a_bound_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    story = group()
    commits = len(line(story))
    for name, bound in (
        ("JAMI_COMMITS_MAX", commits),
        ("JAMI_OBJECTS_MAX", len(story.objects)),
        ("JAMI_BYTES_MAX", sum(len(data) for _, data in story.objects.values())),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(limits, name, bound)
            assert judged(story).valid, name
            patched.setattr(limits, name, bound - 1)
            assert first_fault(story).reason is Reason.JAMI_LIMIT


def test_merges_that_cost_too_much_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    story = group()
    fork = story.main
    one, two = story.text(ALICE, at=fork), story.text(BOB, at=fork)
    story.merge(CAROL, one, two, base=fork)
    monkeypatch.setattr(limits, "JAMI_MERGE_STEPS_MAX", 3)
    assert judged(story).valid
    monkeypatch.setattr(limits, "JAMI_MERGE_STEPS_MAX", 2)
    assert first_fault(story).reason is Reason.JAMI_LIMIT


def test_a_history_with_a_broken_root_still_has_a_name() -> None:
    told, struck = doctored(bundled(), 0, lambda raw: raw.replace(b"{", b"["))
    report = judged(told)
    assert report.conversation == struck
    assert report.commits == 0


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    story = group()
    story.write(ALICE, PROFILE, {"profile.vcf": b"x" * limits.JAMI_BLOB_BYTES_MAX})
    assert judged(story).valid
    story.write(ALICE, PROFILE, {"profile.vcf": b"x" * (limits.JAMI_BLOB_BYTES_MAX + 1)})
    assert first_fault(story).reason is Reason.JAMI_LIMIT


def test_a_huge_certificate_file_is_refused() -> None:
    story = group()
    story.text(BOB, changes={BOB.path: BOB.file * 20})
    wrote(story, "4", BOB.path)


def test_a_missing_object_and_a_false_one_are_told() -> None:
    told = bundled()
    blob = next(oid for oid, (kind, data) in told.objects.items() if kind == 3 and data)
    lacking = Objects({oid: held for oid, held in told.objects.items() if oid != blob}, told.main)
    assert first_fault(lacking).reason is Reason.MISSING_OBJECT
    false = Objects({**told.objects, blob: (3, b"something else")}, told.main)
    assert first_fault(false).reason is Reason.MISSING_OBJECT


def test_the_vector_is_the_one_of_the_readme() -> None:
    assert BUNDLE.stat().st_size == 15122
