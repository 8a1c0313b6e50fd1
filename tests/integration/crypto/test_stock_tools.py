"""Stock ssh-keygen, git and OpenSSL agree with what the crypto package writes and reads."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from swarmchat.crypto import sshsig
from swarmchat.crypto.revocation import device_prefix, issue_revocations
from tests.support.certs import ALICE, BOB, NOW, Identity

KEY = ALICE.device_key
DEVICE = KEY.public.device_id


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def run(*words: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Start a program that sees no configuration of this machine."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    return subprocess.run(words, input=stdin, cwd=cwd, env=environment, capture_output=True, check=False, timeout=30)


def signers_file(folder: Path) -> Path:
    path = folder / "allowed_signers"
    path.write_text(sshsig.allowed_signers_line(DEVICE, KEY.public) + "\n")
    return path


def key_file(folder: Path) -> Path:
    path = folder / "key"
    path.touch(mode=0o600)
    path.write_bytes(
        Ed25519PrivateKey.from_private_bytes(KEY.seed).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )
    return path


@needs("ssh-keygen")
def test_ssh_keygen_verifies_our_signature_and_refuses_another_payload(tmp_path: Path) -> None:
    payload = b"any bytes \0\xff\n"
    signature = tmp_path / "signature"
    signature.write_text(sshsig.sign(KEY, payload))
    verify = ("ssh-keygen", "-Y", "verify", "-n", "git", "-f", signers_file(tmp_path), "-I", DEVICE, "-s", signature)
    good = run(*verify, stdin=payload)
    assert good.returncode == 0, good.stderr
    assert b"Good" in good.stdout
    assert run(*verify, stdin=payload + b"x").returncode != 0


@needs("ssh-keygen")
def test_our_signature_is_byte_for_byte_that_of_ssh_keygen(tmp_path: Path) -> None:
    for payload in (b"", b"hello\n", bytes(range(256)) * 40):
        theirs = run("ssh-keygen", "-Y", "sign", "-n", "git", "-f", key_file(tmp_path), stdin=payload)
        assert theirs.returncode == 0, theirs.stderr
        assert theirs.stdout.decode() == sshsig.sign(KEY, payload) + "\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    assert run("git", "init", "-q", path).returncode == 0
    return path


def git(repository: Path, *words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    options = ("-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={signers_file(repository)}")
    return run("git", *options, *words, stdin=stdin, cwd=repository)


@needs("git")
@needs("ssh-keygen")
def test_git_verifies_a_commit_that_we_signed(repository: Path) -> None:
    tree = git(repository, "mktree").stdout.strip()
    person = f"Alice <{DEVICE}> {NOW} +0000".encode()
    head, body = b"tree %s\nauthor %s\ncommitter %s\n" % (tree, person, person), b'\n{"type":"text"}'

    def store(armour: str) -> str:
        commit = head + b"gpgsig " + armour.replace("\n", "\n ").encode() + b"\n" + body
        return git(repository, "hash-object", "-t", "commit", "-w", "--stdin", stdin=commit).stdout.decode().strip()

    good = git(repository, "verify-commit", store(sshsig.sign(KEY, head + body)))
    assert good.returncode == 0, good.stderr
    assert DEVICE.encode() in good.stderr
    assert git(repository, "verify-commit", store(sshsig.sign(KEY, head + body + b" "))).returncode != 0
    assert git(repository, "verify-commit", store(sshsig.sign(BOB.device_key, head + body))).returncode != 0


@needs("git")
@needs("ssh-keygen")
def test_we_read_the_signature_of_a_commit_that_git_signed(repository: Path, tmp_path: Path) -> None:
    made = git(
        repository,
        *("-c", f"user.signingkey={key_file(tmp_path)}", "-c", "user.name=Alice", "-c", f"user.email={DEVICE}"),
        *("commit", "-q", "-S", "--allow-empty", "-m", "hello"),
    )
    assert made.returncode == 0, made.stderr
    headers, _, message = git(repository, "cat-file", "commit", "HEAD").stdout.decode().partition("\n\n")
    plain, _, header = headers.partition("\ngpgsig ")
    armour = header.replace("\n ", "\n")
    payload = f"{plain}\n\n{message}".encode()
    assert sshsig.verify(armour, payload, KEY.public)
    assert sshsig.sign(KEY, payload) == armour


def write_identity(folder: Path, identity: Identity) -> tuple[Path, Path, Path]:
    """Files of the device's chain, its key, and the account certificate."""
    chain, key, account = folder / "chain.pem", folder / "key.pem", folder / "account.pem"
    chain.write_bytes(identity.device.pem + identity.account.pem)
    account.write_bytes(identity.account.pem)
    private = Ed25519PrivateKey.from_private_bytes(identity.device_key.seed)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return chain, key, account


@needs("openssl")
@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_openssl_accepts_the_chain_strictly_for_both_ends_of_a_link(tmp_path: Path, purpose: str) -> None:
    chain, _, account = write_identity(tmp_path, ALICE)
    words = ("openssl", "verify", "-x509_strict", "-check_ss_sig", "-attime", str(NOW), "-CAfile", account)
    good = run(*words, "-purpose", purpose, chain)
    assert good.returncode == 0, good.stderr
    other = tmp_path / "bob"
    other.mkdir()
    assert run(*words, "-purpose", purpose, write_identity(other, BOB)[0]).returncode != 0


@needs("openssl")
def test_openssl_finds_a_revoked_device_on_our_list(tmp_path: Path) -> None:
    chain, _, account = write_identity(tmp_path, ALICE)
    words = ("openssl", "verify", "-crl_check", "-attime", str(NOW + 1), "-CAfile", account, "-CRLfile")
    for prefixes, refused in (([], False), ([device_prefix(DEVICE)], True)):
        made = issue_revocations(ALICE.account_key, ALICE.account, prefixes, number=1, now=NOW)
        path = tmp_path / "list.pem"
        path.write_bytes(run("openssl", "crl", "-inform", "DER", stdin=made.der).stdout)
        answer = run(*words, path, chain)
        assert (answer.returncode != 0) is refused, answer.stderr
        assert (b"revoked" in answer.stderr) is refused


def tls_end(folder: Path, me: Identity, peer: Identity, side: int) -> ssl.SSLContext:
    folder.mkdir()
    chain, key, _ = write_identity(folder, me)
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(chain, key)
    context.load_verify_locations(cadata=peer.account.pem.decode())
    return context


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A TLS handshake through memory; raises what OpenSSL raises."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True))
    waiting = set(ends)
    for _ in range(10):
        for end in ends:
            if end in waiting:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                waiting.discard(end)
    assert not waiting
    return ends


def test_both_certificates_carry_a_tls_1_3_handshake_on_either_side(tmp_path: Path) -> None:
    client, server = shake_hands(
        tls_end(tmp_path / "alice", ALICE, BOB, ssl.PROTOCOL_TLS_CLIENT),
        tls_end(tmp_path / "bob", BOB, ALICE, ssl.PROTOCOL_TLS_SERVER),
    )
    assert client.version() == server.version() == "TLSv1.3"
    assert client.getpeercert(binary_form=True) == BOB.device.der
    assert server.getpeercert(binary_form=True) == ALICE.device.der


def test_a_handshake_fails_where_the_account_is_not_the_expected_one(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(
            tls_end(tmp_path / "alice", ALICE, ALICE, ssl.PROTOCOL_TLS_CLIENT),
            tls_end(tmp_path / "bob", BOB, ALICE, ssl.PROTOCOL_TLS_SERVER),
        )
