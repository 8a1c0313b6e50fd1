"""Whatever bytes stand where Jami's should: the readers answer with a value or their own error, never with another. (SCP-02 §9)"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarmchat.commitlog.bundles import Bundle
from swarmchat.conversation.jami.commit import is_jami, parse
from swarmchat.conversation.profile import read_loosely
from swarmchat.crypto import jami
from swarmchat.crypto.certificates import CertificateError
from swarmchat.errors import SwarmchatError
from swarmchat.ids import CommitId
from tests.support.jami import ALICE, BUNDLE, bundled, line

REAL = [bundled().read(1, bytes.fromhex(commit)) for commit in line(bundled())]
NAME = CommitId("1" * 40)


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """Something real with a piece of it taken out, repeated or replaced."""
    first = draw(st.integers(0, len(whole)))
    last = draw(st.integers(first, min(len(whole), first + 60)))
    return whole[:first] + draw(st.one_of(st.binary(max_size=40), st.just(whole[first:last] * 2))) + whole[last:]


@given(st.one_of(st.binary(), st.sampled_from(REAL).flatmap(spoilt)))
def test_any_commit_is_read_or_refused(raw: bytes) -> None:
    parse(NAME, raw)
    is_jami(raw)


@given(st.one_of(st.binary(), spoilt(ALICE.file), spoilt(ALICE.chain)))
def test_any_certificate_is_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(CertificateError):
        jami.read_file(raw)


@given(st.one_of(st.binary(), spoilt(b"BEGIN:VCARD\nVERSION:2.1\nFN:Boats\nPHOTO;ENCODING=BASE64:aGk=\nEND:VCARD")))
def test_any_profile_can_be_shown(raw: bytes) -> None:
    read_loosely(raw)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles") / "any.bundle"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(raw=st.one_of(st.binary(), spoilt(BUNDLE.read_bytes())))
def test_any_bundle_is_read_or_refused(place: Path, raw: bytes) -> None:
    start = raw.find(b"PACK")
    summed = raw[:-20] + hashlib.sha1(raw[start:-20]).digest()  # a checksum is no obstacle to who spoils on purpose
    for content in (raw, summed):
        place.write_bytes(content)
        with contextlib.suppress(SwarmchatError):
            Bundle(place)
