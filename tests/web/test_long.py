"""A conversation of 10,000 messages: quick to open and to scroll, and what is in sight stays in its place. (SCP-08 §4)"""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.browser import seat
from tests.support.process import NodeProcess

pytestmark = [pytest.mark.web, pytest.mark.timeout(120)]

COUNT = 10_000


def _message(number: int, author: str) -> dict[str, Any]:
    time = f"2026-11-{1 + number // 1000:02}T{number // 60 % 24:02}:{number % 60:02}:00.000Z"
    body = f"line {number} " + "word " * (number % 40)
    fields = {"type": "text/plain", "author": author, "device": "d" * 64, "reply_to": None, "hidden": False}
    return {"id": f"{number:040x}", "time": time, "body": body, "edits": [], "reactions": []} | fields


def test_ten_thousand_messages_scroll_without_jumps_and_with_few_nodes(browser: Any, ann: NodeProcess) -> None:
    """The node's own answers, but for the lines of one conversation: writing 10,000 would take the test's whole time."""
    room = str(ann.call("conversation.create", title="Long")["id"])
    lines = [_message(number, (ann.account, "b" * 40)[number // 7 % 2]) for number in range(COUNT)]

    def page(call: dict[str, Any]) -> list[dict[str, Any]] | None:
        params = call["params"]
        if call["method"] != "message.list" or params["conversation"] != room:
            return None
        end = int(params["before"], 16) if "before" in params else COUNT
        return [] if params.get("hidden") else lines[max(0, end - params["limit"]) : end]

    def answer(route: Any) -> None:
        asked = json.loads(route.request.post_data)
        calls = asked if isinstance(asked, list) else [asked]
        if all(page(call) is None for call in calls):
            route.continue_()
            return
        real = route.fetch().json()
        reals = real if isinstance(real, list) else [real]
        told = [
            one | {"result": page(call) if page(call) is not None else one.get("result")}
            for call, one in zip(calls, reals, strict=True)
        ]
        route.fulfill(json=told if isinstance(asked, list) else told[0])

    with seat(browser, ann) as a:
        a.page.route("**/api/v1/rpc", answer)
        a.log_in().open("Long")
        a.page.locator(f"[data-id='{COUNT - 1:040x}']").wait_for()
        for _ in range(8):  # back, a screen's height and more at a time
            place = a.page.evaluate(
                """async () => {
                  const scroller = document.querySelector('.scroller');
                  scroller.scrollTop = 150;
                  const box = scroller.getBoundingClientRect();
                  const row = [...document.querySelectorAll('.messages > [data-id]')].find((one) => one.getBoundingClientRect().top >= box.top);
                  const [id, before] = [row.dataset.id, row.getBoundingClientRect().top];
                  const first = document.querySelector('.messages > [data-id]').dataset.id;
                  while (document.querySelector('.messages > [data-id]').dataset.id === first) await new Promise(requestAnimationFrame);
                  const now = document.querySelector(`[data-id='${id}']`);
                  return [now.getBoundingClientRect().top - before, document.querySelectorAll('.messages > li').length];
                }"""
            )
            assert abs(place[0]) <= 1.5
            assert place[1] <= 240
        reached = a.page.evaluate(
            f"""async () => {{
              const started = performance.now();
              location.hash = '#/';
              await new Promise(requestAnimationFrame);
              location.hash = '#/c/{room}';
              while (!document.querySelector('.messages > [data-id]')) await new Promise(requestAnimationFrame);
              return performance.now() - started;
            }}"""
        )
        assert reached < 5_000  # 0.1 s on a quiet machine; this only fails where all of it is drawn
        expect(a.page.locator(f"[data-id='{COUNT - 1:040x}']")).to_be_in_viewport()
