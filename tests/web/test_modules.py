"""The parts of the page that need no node and no document, asked in the browser that will run them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browser import seat
from tests.support.process import NodeProcess

pytestmark = [pytest.mark.web, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def run(browser: Any, people: tuple[NodeProcess, ...]) -> Iterator[Any]:
    """`run(module, expression, value)`: the expression with the module as `m` and the value as `v`."""
    with seat(browser, people[0]) as taken:
        taken.page.goto(people[0].call("web.link")["link"].split("#")[0])

        def ask(module: str, expression: str, value: Any = None) -> Any:
            return taken.page.evaluate(
                f"async (v) => {{ const m = await import('/js/{module}.js'); return {expression}; }}", value
            )

        yield ask


def test_markdown_knows_its_subset(run: Any) -> None:
    found = run(
        "markdown", "m.parse(v)", "a **b _c_** `d*`\n> q\n\n1. x\n2. y\n```py\n<i>\n```\n\\*no\\* snake_case ~~s~~"
    )
    paragraph, quote, listed, code, last = found
    assert [piece["type"] for piece in paragraph["children"]] == ["text", "strong", "text", "code"]
    assert paragraph["children"][1]["children"][1] == {"type": "em", "children": [{"type": "text", "text": "c"}]}
    assert quote["type"] == "quote"
    assert quote["children"][0]["children"][0]["text"] == "q"
    assert listed["ordered"]
    assert [item[0]["text"] for item in listed["items"]] == ["x", "y"]
    assert code == {"type": "code", "text": "<i>"}
    assert "".join(piece.get("text", "") for piece in last["children"]) == "*no* snake_case "
    assert last["children"][-1]["type"] == "s"


@pytest.mark.parametrize(
    ("address", "opens"),
    [
        ("https://example.net/a?b#c", True),
        ("http://127.0.0.1:1/", True),
        ("mailto:ann@example.net", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,x", False),
        ("blob:https://example.net/1", False),
        ("file:///etc/passwd", False),
        ("vbscript:x", False),
        ("//example.net", False),
        ("/api/v1/rpc", False),
        ("java\nscript:x", False),
        ("https://" + "a" * 2000, False),
    ],
)
def test_a_link_opens_the_web_and_mail_alone(run: Any, address: str, *, opens: bool) -> None:
    assert (run("markdown", "m.safeAddress(v)", address) is not None) is opens


@pytest.mark.parametrize("piece", ["*", "[", "_a ", "`", "> ", "*a ", "[a](", "https://", "**a*", "~~", "1. ", "```\n"])
def test_markdown_takes_time_in_proportion(run: Any, piece: str) -> None:
    """A text that is eight times as long may take twice eight times as long, and a tenth of a second of noise."""
    timed = "(() => { const s = performance.now(); m.parse(v); return performance.now() - s; })()"
    run("markdown", timed, piece * (8_000 // len(piece)))
    short, long = (
        min(run("markdown", timed, piece * (size // len(piece))) for _ in range(2)) for size in (8_000, 64_000)
    )
    assert long < 16 * short + 100


def test_signs_that_nobody_sees_become_words_and_piles_of_accents_are_cut(run: Any) -> None:
    assert run("text", "m.plain(v)", "a\u202eb\x1b\x00\u2028c\td\r\ne") == "a⟨U+202E⟩b⟨U+001B⟩⟨U+0000⟩⟨U+2028⟩c\td\ne"
    assert run("text", "m.plain(v)", "a" + "\u0301" * 90 + "b") == "a" + "\u0301" * 4 + "b"
    assert run("text", "m.plain('x\\ud800y')") == "x⟨U+D800⟩y"
    assert run("text", "m.plain('👩‍👩‍👧 क्षि')") == "👩‍👩‍👧 क्षि"
    assert run("text", "m.cut('👍👍👍', 3)") == "👍…"


def test_the_reader_of_events_takes_pieces_of_any_size(run: Any) -> None:
    text = ': hello\n\nid: 1\ndata: {"a":1}\n\nevent: gap\r\ndata: x\r\ndata: y\r\n\r\ndata: end'
    whole = run("sse", "new m.Reader().feed(v)", text)
    assert whole == [{"name": "message", "data": '{"a":1}'}, {"name": "gap", "data": "x\ny"}]
    single = run("sse", "(() => { const r = new m.Reader(); return [...v].flatMap((sign) => r.feed(sign)); })()", text)
    assert single == whole


def test_the_newest_page_goes_into_what_is_held_without_holes(run: Any) -> None:
    def spliced(held: str, page: str) -> str | None:
        pages = [[{"id": sign} for sign in part] for part in (held, page)]
        found = run("splice", "m.spliced(v[0], v[1])", pages)
        return None if found is None else "".join(one["id"] for one in found)

    assert spliced("abcd", "cde") == "abcde"
    assert spliced("abcd", "cxde") == "abcxde"  # a merge added in the middle
    assert spliced("abcd", "bd") == "abd"  # one was hidden
    assert spliced("ab", "yz") is None  # they do not meet: more has to be fetched
    assert spliced("", "ab") == "ab"


def test_rows_say_where_a_day_begins_and_what_is_new(run: Any) -> None:
    def message(name: str, day: int, author: str = "ann", kind: str = "text/plain") -> dict[str, Any]:
        time = f"2026-11-{day:02}T12:00:00.000Z"
        return {"id": name, "type": kind, "author": author, "time": time, "reply_to": None, "body": name}

    messages = [message("a", 1), message("b", 1), message("c", 2, "ben"), message("d", 2, kind="member")]
    hidden = [message("h", 1, "cem")]
    rows = run(
        "rows", "m.rowsOf(v[0], {hidden: v[1], readUpTo: 'b', isMe: (who) => who === 'ann'})", [messages, hidden]
    )
    assert [row["kind"] for row in rows] == ["day", "message", "message", "day", "fold", "fresh", "message", "system"]
    assert [row.get("joins") for row in rows if row["kind"] == "message"] == [False, True, False]


PEOPLE = """async () => {
  const rooms = ["old", "new", "empty"];
  const row = (id, name) => ({ id, name, devices: [] });
  const answers = {
    "account.show": () => ({ id: "me", device: "d", name: "Ann" }),
    "conversation.list": () => rooms.map((id, at) => ({ id, last: `2026-11-0${at + 1}`, mode: "one-to-one", title: "" })),
    "member.list": ({ conversation }) => ({ old: [row("ben", "Ben"), row("cem", "Cem"), row("eva", "Eva")], new: [row("ben", "Benjamin"), row("cem", "Cee"), row("dora", "")], empty: [row("cem", "")] })[conversation],
    "contact.list": () => [{ id: "cem", name: "", conversation: "empty" }, { id: "eva", name: "My Eva", conversation: null }],
    "message.list": () => [], "request.list": () => [], presence: () => [],
  };
  const state = new m.State({ call: async (method, params) => answers[method](params) });
  await state.loadAll();
  return state;
}"""


def test_a_person_is_called_in_a_conversation_what_he_is_called_there(run: Any) -> None:
    """My word first, then the name in this conversation, in the newest other one, the id."""

    def called(*asked: tuple[str, str | None]) -> list[str]:
        return list(run("state", f"({PEOPLE})().then((s) => v.map(([who, where]) => s.name(who, where)))", asked))

    assert called(("ben", "old"), ("ben", "new"), ("ben", "empty"), ("ben", None)) == [
        "Ben",
        "Benjamin",
        *["Benjamin"] * 2,
    ]
    assert called(("cem", "old"), ("cem", "empty")) == ["Cem", "Cee"]
    assert called(("eva", "old"), ("eva", None), ("me", "old")) == ["My Eva", "My Eva", "Ann"]
    assert called(("dora", "new"), ("0123456789abcdef", "old")) == ["dora", "01234567"]
    titled = f"({PEOPLE})().then((s) => [s.title(s.conversation('empty')), s.inside('old').name('cem')])"
    assert run("state", titled) == ["Cee", "Cem"]


def test_one_message_that_cannot_be_seen_any_more_keeps_no_other_from_being_fetched_again(run: Any) -> None:
    told = run(
        "timeline",
        """(async () => {
          const shown = [];
          const call = async (method, { message }) => {
            if (method === "message.list") return [{ id: "a", body: "1" }, { id: "b", body: "1" }];
            if (message === "a") throw Object.assign(new Error("no"), { code: -32003 });
            return { id: message, body: "2" };
          };
          const timeline = new m.Timeline({ call }, "room", () => shown.push(timeline.messages.map((one) => one.body).join("")));
          await timeline.load();
          timeline.touched("a");
          timeline.touched("b");
          for (let look = 0; look < 100 && shown.length < 2; look++) await new Promise((on) => setTimeout(on, 20));
          return shown;
        })()""",
    )
    assert told == ["11", "12"]


def test_that_the_newest_message_came_through_is_shown_of_those_before_it_too(run: Any) -> None:
    """Two are sent while nobody is there: only the last one is watched, and the first had its clock for ever."""
    told = run(
        "timeline",
        """(async () => {
          let state = "written";
          const call = async (method, { hidden }) => (method === "message.list" && !hidden ? ["a", "b"].map((id) => ({ id, status: { state } })) : []);
          const timeline = new m.Timeline({ call }, "room", () => {});
          await timeline.load();
          timeline.watchStatus("a");
          timeline.watchStatus("b");
          state = "sent";
          const states = () => timeline.messages.map((one) => one.status.state).join();
          for (let look = 0; look < 500 && !states().includes("sent"); look++) await new Promise((on) => setTimeout(on, 20));
          timeline.close();
          return states();
        })()""",
    )
    assert told == "sent,sent"


def test_a_quote_is_drawn_again_when_who_is_quoted_is_called_otherwise(run: Any) -> None:
    looks = run(
        "views/message",
        """["Ben", "Benjamin"].map((name) => m.signature(
          { kind: "message", message: { author: "ann", body: "", edits: [], reactions: [] }, quote: { known: true, author: "ben", text: "x" } },
          { name: (who) => (who === "ben" ? name : "Ann"), isMe: () => false }))""",
    )
    assert looks[0] != looks[1]


def test_who_speaks_through_another_is_named_first_and_is_not_the_other(run: Any) -> None:
    who = '(one) => ({ me: "Me", ben: "Ben" })[one]'
    via = '{ account: "ben", name: "" }'
    assert run(
        "words", f'[m.speaker({{ author: "me", via: {via} }}, {who}), m.speaker({{ author: "me" }}, {who})]'
    ) == [
        "Ben via Me",
        "Me",
    ]
    assert run("words", f'm.voice({{ author: "me", via: {via} }})') == "ben"
    joins = run(
        "rows",
        """m.rowsOf([{ id: "1", author: "me", type: "text/plain", time: "2026-01-01T00:00:00Z" },
          { id: "2", author: "me", via: { account: "ben" }, type: "text/plain", time: "2026-01-01T00:00:01Z" }],
          {}).filter((row) => row.kind === "message").map((row) => row.joins)""",
    )
    assert joins == [False, False]


def test_a_graph_lays_forks_beside_each_other(run: Any) -> None:
    commits = [
        {"id": "m", "parents": ["a", "b"]},
        {"id": "a", "parents": ["r"]},
        {"id": "b", "parents": ["r"]},
        {"id": "r", "parents": ["not drawn"]},
    ]
    rows = run("lanes", "m.laid(v)", commits)
    assert [row["lane"] for row in rows] == [0, 0, 1, 0]
    assert rows[0]["parents"] == [{"id": "a", "lane": 0}, {"id": "b", "lane": 1}]
    assert rows[3]["parents"] == []


def test_a_token_is_found_in_what_people_paste(run: Any) -> None:
    assert run("token", "m.tokenIn('http://127.0.0.1:1/#token=abc-DEF_1')") == "abc-DEF_1"
    assert run("token", "m.tokenIn('  abcdefgh ')") == "abcdefgh"
    assert run("token", "m.tokenIn('no token here')") is None
