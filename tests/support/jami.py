"""Repositories as Jami writes them, made here: for groups, votes, bans and merges, honest ones and doctored ones. (SCP-02 §9)"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import NameOID

from swarmchat.commitlog.bundles import Bundle
from swarmchat.commitlog.repository import MissingObjectError
from swarmchat.ids import CommitId

VECTORS = Path(__file__).parent.parent / "vectors" / "jami"
BUNDLE = VECTORS / "one-to-one.bundle"
START = 1_700_000_000
MADE = START - 1_000  # when the certificates begin
TEN_YEARS = 10 * 365 * 86_400
KINDS = {1: b"commit", 2: b"tree", 3: b"blob"}

Files = dict[str, bytes]


# --- people


@cache
def key(name: str) -> RSAPrivateKey:
    """One of the keys that were made once."""
    lines = json.loads((VECTORS / "keys.json").read_text())[name]
    loaded = serialization.load_pem_private_key("\n".join(lines).encode(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(loaded, RSAPrivateKey)
    return loaded


def spki(name: str) -> bytes:
    """The public half as DER."""
    return (
        key(name).public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@cache
def short_id(name: str) -> str:
    """The account id of a key."""
    return hashlib.sha1(spki(name)).hexdigest()


@cache
def long_id(name: str) -> str:
    """The device id of a key."""
    return hashlib.sha256(spki(name)).hexdigest()


@cache
def certificate(
    subject: str,
    issuer: str,
    *,
    ca: bool,
    signer: str | None = None,
    uid: str | None = None,
    start: int = MADE,
    end: int = MADE + TEN_YEARS,
) -> bytes:
    """A PEM certificate; `signer` signs in place of the issuer, `uid` stands in the issuer's name in place of its id."""

    def name(common: str, who: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common), x509.NameAttribute(NameOID.USER_ID, who)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(name("Jami" if ca else "Jami device", short_id(subject)))
        .issuer_name(name("Jami", uid or short_id(issuer)))
        .public_key(key(subject).public_key())
        .serial_number(0x1234)
        .not_valid_before(datetime.datetime.fromtimestamp(start, datetime.UTC))
        .not_valid_after(datetime.datetime.fromtimestamp(end, datetime.UTC))
    )
    if ca:
        usage = dict.fromkeys(
            (
                "digital_signature",
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier(bytes.fromhex(short_id(subject))), critical=False)
    made = builder.sign(key(signer or issuer), hashes.SHA384())
    return made.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True)
class Device:
    """A device of an account, both named by their keys."""

    name: str
    account: str

    @property
    def id(self) -> str:
        return long_id(self.name)

    @property
    def path(self) -> str:
        return f"devices/{self.id}.crt"

    @property
    def file(self) -> bytes:
        return certificate(self.name, self.account, ca=False)

    @property
    def uri(self) -> str:
        return short_id(self.account)

    @property
    def member(self) -> str:
        return f"members/{self.uri}.crt"

    @property
    def admin(self) -> str:
        return f"admins/{self.uri}.crt"

    @property
    def chain(self) -> bytes:
        """The account's file: its certificate, then that of its CA."""
        return certificate(self.account, "ca", ca=True) + certificate("ca", "ca", ca=True)


ALICE = Device("alice-laptop", "alice")
PHONE = Device("alice-phone", "alice")
BOB = Device("bob-laptop", "bob")
CAROL = Device("carol-laptop", "carol")
MALLORY = Device("mallory-laptop", "mallory")


# --- objects


@dataclass
class Objects:
    """Git objects in memory; a source for the reader, and a repository when saved."""

    objects: dict[bytes, tuple[int, bytes]] = field(default_factory=dict)
    main: CommitId | None = None

    def put(self, kind: int, data: bytes) -> bytes:
        oid = hashlib.sha1(b"%s %d\0" % (KINDS[kind], len(data)) + data).digest()
        self.objects[oid] = (kind, data)
        return oid

    def tree(self, files: Mapping[str, bytes], mode: bytes = b"100644") -> bytes:
        folders: dict[str, Files] = {}
        entries: list[tuple[bytes, bytes]] = []
        for path, content in files.items():
            name, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(name, {})[rest] = content
            else:
                entries.append((name.encode(), mode + b" " + name.encode() + b"\0" + self.put(3, content)))
        for name, inner in folders.items():
            entries.append((name.encode() + b"/", b"40000 " + name.encode() + b"\0" + self.tree(inner, mode)))
        return self.put(2, b"".join(entry for _, entry in sorted(entries)))

    # --- as a source

    def refs(self) -> dict[str, CommitId]:
        return {"refs/heads/main": self.main} if self.main else {}

    def read(self, kind: int, oid: bytes) -> bytes:
        found = self.objects.get(oid)
        if found is None or found[0] != kind:
            raise MissingObjectError(f"object {oid.hex()} is not here")
        return found[1]

    def has(self, oid: bytes) -> bool:
        return oid in self.objects

    def size(self, oid: bytes) -> int:
        if oid not in self.objects:
            raise MissingObjectError(f"object {oid.hex()} is not here")
        return len(self.objects[oid][1])

    def rest(self) -> None:
        pass

    def save(self, path: Path, *, bare: bool = True) -> Path:
        """A repository with loose objects, as a copy of the folder of a daemon would be."""
        folder = path if bare else path / ".git"
        for oid, (kind, data) in self.objects.items():
            place = folder / "objects" / oid.hex()[:2] / oid.hex()[2:]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(zlib.compress(b"%s %d\0" % (KINDS[kind], len(data)) + data, 1))
        (folder / "refs" / "heads").mkdir(parents=True, exist_ok=True)
        (folder / "HEAD").write_text("ref: refs/heads/main\n")
        (folder / "config").write_text("[core]\n\trepositoryformatversion = 0\n")
        if self.main:
            (folder / "refs" / "heads" / "main").write_text(f"{self.main}\n")
        return path


def commit_bytes(tree: bytes, parents: Iterable[str], who: str, message: bytes, signer: RSAPrivateKey | None) -> bytes:
    """A commit object as Jami writes and signs it."""
    head = [f"tree {tree.hex()}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
    payload = "\n".join(head).encode() + b"\n\n" + message
    if signer is None:
        return payload
    signature = base64.b64encode(signer.sign(payload, PKCS1v15(), hashes.SHA512()))
    return "\n".join(head).encode() + b"\nsignature " + signature + b"\n\n" + message


# --- conversations


class Story(Objects):
    """A conversation told commit by commit. Everything may be told wrong: the reader has to find out."""

    def __init__(self, mode: int = 2) -> None:
        super().__init__()
        self.files: dict[str, Files] = {}
        self.mode = mode
        self.clock = START

    def write(
        self,
        by: Device,
        message: Mapping[str, Any] | bytes,
        changes: Mapping[str, bytes | None] | None = None,
        *,
        at: str | None = None,
        parents: tuple[str, ...] | None = None,
        files: Files | None = None,
        time: int | None = None,
        name: str | None = None,
        signer: str | None = "",
        device: str | None = None,
        mode: bytes = b"100644",
        alone: bool = False,
    ) -> str:
        """One commit on `at` (default: the newest); its device's file comes along unless `alone`."""
        if parents is None:
            parents = (at or self.main,) if (at or self.main) else ()  # type: ignore[assignment]
        assert parents is not None
        if files is None:
            files = dict(self.files[parents[0]]) if parents else {}
            if not alone:
                files.setdefault(by.path, by.file)
            for path, content in (changes or {}).items():
                if content is None:
                    files.pop(path, None)
                else:
                    files[path] = content
        self.clock += 1
        text = (
            message
            if isinstance(message, bytes)
            else json.dumps(message, sort_keys=True, separators=(",", ":")).encode()
        )
        who = f"{by.account.title() if name is None else name} <{device or by.id}> {time or self.clock} +0000"
        signing = None if signer is None else key(signer or by.name)
        raw = commit_bytes(self.tree(files, mode), parents, who, text, signing)
        commit = CommitId(self.put(1, raw).hex())
        self.files[commit] = files
        self.main = commit
        return commit

    def root(self, by: Device = ALICE, guest: Device | None = None) -> str:
        message: dict[str, Any] = {"mode": self.mode, "type": "initial"}
        changes: dict[str, bytes | None] = {by.admin: by.chain}
        if self.mode == 0:
            assert guest is not None
            message["invited"] = guest.uri
            changes[f"invited/{guest.uri}"] = b""
        return self.write(by, message, changes)

    def text(self, by: Device, body: str = "hello", **other: Any) -> str:
        return self.write(by, {"body": body, "type": "text/plain"} | other.pop("more", {}), **other)

    def add(self, by: Device, whom: Device, **other: Any) -> str:
        return self.write(by, member("add", whom.uri), {f"invited/{whom.uri}": b""}, **other)

    def join(self, by: Device, **other: Any) -> str:
        return self.write(by, member("join", by.uri), {f"invited/{by.uri}": None, by.member: by.chain}, **other)

    def leave(self, by: Device, **other: Any) -> str:
        before = self.files[str(other.get("at") or self.main)]
        place = by.admin if by.admin in before else by.member
        return self.write(by, member("remove", by.uri), {place: None, by.path: None}, **other)

    def vote(self, by: Device, kind: str, place: str, target: str, **other: Any) -> str:
        path = f"votes/{kind}/{place}/{target}/{by.uri}"
        return self.write(by, {"type": "vote", "uri": target}, {path: b""}, **other)

    def resolve(self, by: Device, kind: str, place: str, target: str, **other: Any) -> str:
        before = self.files[str(other.get("at") or self.main)]
        suffix = "" if place == "invited" else ".crt"
        old, new = f"{place}/{target}{suffix}", f"banned/{place}/{target}{suffix}"
        if kind == "unban":
            old, new = new, old
        votes = {path: None for path in before if path.startswith(f"votes/{kind}/{place}/{target}/")}
        changes: dict[str, bytes | None] = {old: None, new: before.get(old, b""), **votes}
        return self.write(by, member(kind, target), changes | other.pop("more", {}), **other)

    def merge(self, by: Device, one: str, other: str, files: Files | None = None, **more: Any) -> str:
        """As git merges what does not touch the same files, unless other files are given."""
        if files is None:
            base = self.files[more.pop("base")]
            files = dict(self.files[one])
            theirs = self.files[other]
            for path in {*base, *theirs}:
                if base.get(path) == theirs.get(path):
                    continue
                if path in theirs:
                    files[path] = theirs[path]
                else:
                    files.pop(path, None)
        message = f"Merge commit '{other}'".encode()
        return self.write(by, message, parents=(one, other), files=files, **more)


def member(action: str, uri: str) -> dict[str, str]:
    """The message of a `member` commit."""
    return {"action": action, "type": "member", "uri": uri}


def group(mode: int = 2) -> Story:
    """Alice, her phone, Bob and Carol."""
    story = Story(mode)
    story.root()
    story.text(PHONE, "from my phone")
    for one in (BOB, CAROL):
        story.add(ALICE, one)
        story.join(one)
    return story


def pair() -> Story:
    """Alice and Bob, one to one."""
    story = Story(0)
    story.root(ALICE, BOB)
    story.join(BOB)
    return story


def bundled() -> Objects:
    """The real conversation, as objects."""
    bundle = Bundle(BUNDLE)
    told = Objects(dict(bundle._objects))
    told.main = bundle.refs()["refs/heads/main"]
    return told


def line(told: Objects) -> list[CommitId]:
    """The commits of a history without merges, oldest first."""
    found: list[CommitId] = []
    commit = told.main
    while commit:
        found.append(commit)
        raw = told.read(1, bytes.fromhex(commit))
        head = raw.split(b"\n")[1]
        commit = CommitId(head[7:].decode()) if head.startswith(b"parent ") else None
    return found[::-1]


def doctored(told: Objects, number: int, change: Callable[[bytes], bytes]) -> tuple[Objects, str]:
    """A copy in which the commit of that number is another, and those after it are built on that; and its new id."""
    copy = Objects(dict(told.objects))
    last, struck = "", ""
    for place, commit in enumerate(line(told)):
        raw = told.read(1, bytes.fromhex(commit))
        if place > number:
            raw = raw.replace(f"parent {line(told)[place - 1]}".encode(), f"parent {last}".encode(), 1)
        elif place == number:
            raw = change(raw)
        last = copy.put(1, raw).hex()
        if place == number:
            struck = last
    copy.main = CommitId(last)
    return copy, struck
