"""Who is let in, by headers alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmchat.api.http import gate
from swarmchat.api.http.gate import bearer, foreign, is_loopback

OURS = frozenset({"node.example"})


def headers(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1")) for name, value in pairs]


@pytest.mark.parametrize("host", ["localhost", "Localhost", "127.0.0.1", "127.255.0.1", "[::1]", "::1"])
def test_these_lead_to_this_machine_whatever_a_resolver_says(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "localhost.",
        "localhost.evil.example",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "0.0.0.0",
        "::",
        "[::2]",
        "",
        "a",
        "127.0.0.1 ",
    ],
)
def test_these_do_not_or_nobody_can_say(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:65535", "node.example", "NODE.example.:1"])
def test_own_names_pass_with_any_port(host: str) -> None:
    assert foreign(headers(("host", host)), OURS) is None


@pytest.mark.parametrize(
    "given_headers",
    [
        headers(),
        headers(("host", "localhost"), ("host", "localhost")),
        headers(("host", "localhost"), ("Host", "evil.example")),
        headers(("host", "evil.example")),
        headers(("host", "localhost:123456")),
        headers(("host", "localhost:")),
        headers(("host", " localhost")),
        headers(("host", "localhost\n")),
        headers(("host", "x.node.example")),
        headers(("host", "[localhost]")),
        headers(("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://localhost")),
        headers(("host", "localhost"), ("origin", "http://node.example")),
        headers(("host", "localhost:1"), ("origin", "http://localhost:2")),
        headers(("host", "localhost"), ("origin", "null")),
    ],
)
def test_all_else_is_403(given_headers: list[tuple[bytes, bytes]]) -> None:
    refusal = foreign(given_headers, OURS)
    assert refusal is not None
    assert (refusal.status, refusal.code) == (403, "refused")


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_host_and_no_origin_raises(host: str, origin: str) -> None:
    pairs = [(b"host", host.encode()), (b"origin", origin.encode())]
    refusal = foreign(pairs, OURS)
    assert refusal is None or refusal.status == 403
    if refusal is None:
        assert origin.lower() in {f"http://{host}".lower(), f"https://{host}".lower()}


@pytest.mark.parametrize(
    ("values", "token"),
    [
        (["Bearer abc"], "abc"),
        (["bearer   a.b_c-d~+/="], "a.b_c-d~+/="),
        ([" Bearer abc "], "abc"),
        (["Bearer " + "a" * 512], "a" * 512),
        (["Bearer " + "a" * 513], None),
        (["Bearer"], None),
        (["Bearer a b"], None),
        (["Bearera"], None),
        (["Basic abc"], None),
        (["Bearer abc", "Bearer abc"], None),
        (["Bearer \xff"], None),
        ([], None),
    ],
)
def test_a_token_is_carried_in_one_way(values: list[str], token: str | None) -> None:
    assert bearer(headers(*(("Authorization", value) for value in values))) == token


def test_values_of_a_header_are_found_by_its_name_in_any_case() -> None:
    assert gate.values(headers(("X-A", "1"), ("x-a", "2"), ("x-b", "3")), b"x-a") == ["1", "2"]
