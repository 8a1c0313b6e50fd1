"""Only packaged files, by a list."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request

from swarmchat import limits
from swarmchat.api.http.pages import Pages


def asked(path: str, **headers: str) -> Request:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": path, "headers": given, "query_string": b""})


def test_files_are_served_by_their_type_and_again_only_when_they_changed(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.js").write_text("1")
    pages = Pages(tmp_path)
    assert pages.paths == {"index.html", "js/a.js"}
    answer = pages.answer(asked("/"))
    assert answer is not None
    assert (answer.body, answer.headers["content-type"]) == (b"<p>", "text/html; charset=utf-8")
    script = pages.answer(asked("/js/a.js"))
    assert script is not None
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    again = pages.answer(asked("/js/a.js", if_none_match=f'"x", {script.headers["etag"]}'))
    assert again is not None
    assert (again.status_code, again.body) == (304, b"")
    (tmp_path / "js" / "a.js").write_text("2")
    changed = pages.answer(asked("/js/a.js", if_none_match=script.headers["etag"]))
    assert changed is not None
    assert changed.body == b"2"


def test_what_is_hidden_unknown_or_deep_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "deep").joinpath(*["x"] * limits.WEB_DEPTH_MAX).mkdir(parents=True)
    for name in (
        ".env",
        "_private.js",
        "a.py",
        "noending",
        "deep/x/a.js",
        "deep/" + "x/" * limits.WEB_DEPTH_MAX + "a.js",
    ):
        (tmp_path / name).write_text("secret")
    assert Pages(tmp_path).paths == {"deep/x/a.js"}


def test_a_package_without_a_page_serves_none(tmp_path: Path) -> None:
    assert Pages(tmp_path / "nothing").paths == frozenset()
    assert Pages(tmp_path / "nothing").answer(asked("/")) is None
