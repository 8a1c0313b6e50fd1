"""The pages agree with the tree: links lead somewhere, rules that code names stand on their page, guides can be run."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from swarmchat.conversation.rejection import Reason
from tests.support import transcript

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
CODE = sorted((ROOT / "swarmchat").rglob("*.py"))
RUN = sorted(
    path for path in [*(ROOT / "docs/guide").glob("*.md"), ROOT / "docs/hacking.md"] if path.name != "README.md"
)

_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^(```+).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`[^`\n]*`")
_CITED = re.compile(r"(SCP-\d\d)((?:,? (?:and )?§ ?[0-9]+[a-z]?(?:\.[0-9]+)*(?:[–-]§?[0-9.]+)?)+)")
_NUMBER = re.compile(r"§ ?([0-9]+[a-z]?(?:\.[0-9]+)*)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_RULE = re.compile(r"^(?:#+ )?\s*(?:\*\*)?([0-9]{1,2}[a-z]?(?:\.[0-9]+)*)\.?(?:\*\*)?\s", re.MULTILINE)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(path: Path) -> str:
    """A page without its blocks and its `code`."""
    return _SPAN.sub("", _FENCED.sub("", path.read_text()))


def anchors(path: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = _HEADING.findall(_FENCED.sub("", path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}


def broken_links(path: Path, root: Path = ROOT) -> list[str]:
    """Relative links of a page that lead nowhere, or out of the tree."""
    broken = []
    for target in _LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, part = target.partition("#")
        file = (path.parent / place).resolve() if place else path
        leads = file.is_relative_to(root) and file.exists()
        if not leads or (part and part not in anchors(file)):
            broken.append(target)
    return broken


def citations(text: str) -> set[tuple[str, str]]:
    """Page and number of each rule that a text cites; `§3–§7` cites both ends."""
    return {(page, number) for page, numbers in _CITED.findall(text) for number in _NUMBER.findall(numbers)}


@cache
def rules(page: str) -> frozenset[str]:
    """The numbers that stand at the beginning of a line of a page of the spec."""
    found = list((ROOT / "docs/spec").glob(f"{page}-*.md"))
    assert len(found) == 1, f"{page} has {len(found)} pages"
    return frozenset(_RULE.findall(found[0].read_text()))


def unknown(cited: set[tuple[str, str]]) -> list[str]:
    return sorted(f"{page} §{number}" for page, number in cited if number not in rules(page))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    (tmp_path / "out.md").touch()
    page.write_text(
        "[a](gone.md) [b](https://example.org/x) `[c](not.md)`\n```\n[d](not.md)\n```\n"
        "[e](#a-part) [f](#no) [g](page.md#a-part) [h](../out.md)\n# A `part`\n"
    )
    assert broken_links(page, tmp_path / "docs") == ["gone.md", "#no", "../out.md"]


def test_every_rule_that_code_names_stands_on_its_page() -> None:
    assert {name(path): lost for path in CODE if (lost := unknown(citations(path.read_text())))} == {}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_rule_that_a_page_names_stands_on_its_page(page: Path) -> None:
    assert unknown(citations(page.read_text())) == []


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.code)
def test_every_reason_names_a_rule_that_exists(reason: Reason) -> None:
    cited = citations(reason.rule)
    assert len(cited) == 1
    assert unknown(cited) == []


def test_citations_are_read_in_all_their_spellings() -> None:
    text = "(SCP-02 §6.5, SCP-08 §2.5) SCP-02 §2, §10; SCP-03 §4a: SCP-02 §3–§7. SCP-02 §6.4 (b) SCP-05 §1.10 and §2."
    assert citations(text) == {
        ("SCP-02", "6.5"),
        ("SCP-08", "2.5"),
        ("SCP-02", "2"),
        ("SCP-02", "10"),
        ("SCP-03", "4a"),
        ("SCP-02", "3"),
        ("SCP-02", "7"),
        ("SCP-02", "6.4"),
        ("SCP-05", "1.10"),
        ("SCP-05", "2"),
    }


def test_every_page_of_the_spec_is_in_its_index() -> None:
    index = (ROOT / "docs/spec/README.md").read_text()
    for page in (ROOT / "docs/spec").glob("SCP-*.md"):
        assert f"]({page.name})" in index


@pytest.mark.parametrize("page", RUN, ids=name)
def test_every_shell_block_of_a_guide_is_run(page: Path) -> None:
    assert any(isinstance(step, transcript.Typed) for step in transcript.steps(page.read_text()))
    assert [
        block.line for block in transcript.blocks(page.read_text()) if block.info in {(), ("bash",), ("console",)}
    ] == []
