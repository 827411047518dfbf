"""A real browser, and what it says of a page: requests, complaints, overflow."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

Medium = Literal["light", "dark", "print"]
MEDIA: tuple[Medium, ...] = ("light", "dark", "print")
WIDTHS = (1280, 390)
# Elements whose right edge lies beyond the page's, but for those that scroll in a
# frame of theirs, and heads that only readers of screens get.
_BEYOND = """() => [...document.querySelectorAll('main *')]
  .filter(e => !e.closest('svg > *'))
  .filter(e => !e.closest('thead') || getComputedStyle(e.closest('thead')).position != 'absolute')
  .filter(e => !e.closest('.scroll > *')
    || getComputedStyle(e.closest('.scroll')).overflowX != 'auto')
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + ' ' + e.textContent.trim().slice(0, 40))"""


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Yield Debian's Chromium; `.ci/run` installs it. Skips where there is none."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-sync"]
        started = playwright.chromium.launch(executable_path=found, args=arguments)
        yield started
        started.close()


@dataclass
class Seen:
    """A page as the browser has it: what it asked for, and what it complained of."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def show(self, *, width: int, medium: Medium) -> None:
        """Show it anew as a screen or a printer does; it is not loaded again."""
        scheme: Literal["light", "dark"] = "dark" if medium == "dark" else "light"
        media: Literal["print", "screen"] = "print" if medium == "print" else "screen"
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.emulate_media(media=media, color_scheme=scheme)

    def overflows(self) -> list[str]:
        """Return what reaches beyond the right edge of the page."""
        found: list[str] = self.page.evaluate(_BEYOND)
        width = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return found + ["the page itself"] * bool(self.page.evaluate(width))


def look_at(browser: Browser, file: Path) -> Seen:
    """Open a file without scripts of its own."""
    seen = Seen(browser.new_page())
    seen.page.on("request", lambda request: seen.asked.append(request.url))
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.on("dialog", lambda dialog: seen.complaints.append(dialog.message))
    seen.page.goto(file.as_uri())
    return seen
