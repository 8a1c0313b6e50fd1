"""A real Chromium looking at the pages of real nodes; whatever a page complains of is a failure."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.process import NodeProcess

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS = "needs Chromium (Debian package chromium) and the Python package playwright"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 20_000.0  # only a broken page lets one wait this long
SEEN = """() => {
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
}"""
AWAY = re.compile(r"net::ERR_|Failed to load resource: the server responded with a status of (401|503)")


def available() -> bool:
    """Whether there is a browser, and what drives it."""
    if CHROMIUM is None:
        return False
    try:
        import playwright.sync_api  # noqa: F401, PLC0415 - asked for once, where it may be missing
    except ImportError:
        return False
    return True


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window; ended with the tests."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - tests without a browser do not have it

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Seat:
    """One person before the page of one node."""

    node: NodeProcess
    page: Any
    complaints: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.node.name

    def watch(self) -> Seat:
        """Keep what the page or the browser complains of."""
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.add_init_script(f"({SEEN})()")
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("console", self._said)
        return self

    def _dialog(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _said(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not AWAY.search(message.text):
            self.complaints.append(f"console: {message.text}")

    def log_in(self, link: str | None = None) -> Seat:
        """Open the link to the page, as `swarmchat web` prints it."""
        self.page.goto(link or self.node.call("web.link")["link"])
        self.page.locator(".brand .dot.linked").wait_for()  # the stream of events stands
        return self

    def is_content(self) -> None:
        """Nothing was complained of, and nothing was stopped by the policy."""
        assert not self.complaints, "\n".join(self.complaints)
        assert self.page.evaluate("window.violations") == []

    # --- what a person does

    def open(self, title: str) -> None:
        self.page.locator(".conversation", has_text=title).first.click()
        self.page.locator(".room-title h1", has_text=title).wait_for()

    def write(self, text: str) -> None:
        self.page.get_by_role("textbox", name="Message to").fill(text)
        self.page.keyboard.press("Enter")

    def message(self, text: str) -> Any:
        """The row of a message that has this text."""
        return self.page.locator(".message", has=self.page.locator(".body", has_text=text)).last

    def sees(self, text: str) -> Any:
        """Wait for a message, and give its row."""
        row = self.message(text)
        row.wait_for()
        return row

    def does(self, row: Any, deed: str) -> None:
        """One of the buttons that a message shows when one points at it."""
        row.hover()
        row.get_by_role("button", name=deed, exact=True).click()

    def panel(self, name: str) -> Any:
        """Open what stands beside a conversation."""
        tab = self.page.get_by_role("tab", name=name)
        if not tab.is_visible():
            self.page.get_by_role("button", name=re.compile("About this conversation")).click()
        tab.click()
        self.page.locator(f".panel[data-tab={name.lower()}]").wait_for()
        return self.page.locator(".panel-body")

    def dialog(self) -> Any:
        return self.page.locator("dialog[open]")


@contextmanager
def seat(browser: Any, node: NodeProcess, **context: Any) -> Iterator[Seat]:
    """A window of its own, with nothing kept from others; content when it is left."""
    window = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | context))
    taken = Seat(node, window.new_page()).watch()
    try:
        yield taken
        taken.is_content()
    finally:
        window.close()


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def with_door(node: NodeProcess) -> NodeProcess:
    """The same node with HTTP at a port of its own; before it is started."""
    node.options = (*node.options, "--http", f"127.0.0.1:{free_port()}")
    return node


def pictures() -> Path:
    """Where the pictures of the documents stand."""
    return Path(__file__).resolve().parents[2] / "docs" / "pictures"
