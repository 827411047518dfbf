"""A real browser, and what it says of a page: requests, complaints, overflow."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    asked: list[str]
    complaints: list[str]

    def overflows(self) -> list[str]:
        """Return what reaches beyond the right edge of the page."""
        found: list[str] = self.page.evaluate(_BEYOND)
        width = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return found + ["the page itself"] * bool(self.page.evaluate(width))


@contextmanager
def look_at(browser: Browser, file: Path, *, width: int, medium: Medium) -> Iterator[Seen]:
    """Open a file without scripts of its own, as a screen or a printer shows it."""
    scheme: Literal["light", "dark"] = "dark" if medium == "dark" else "light"
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})
    if medium == "print":
        page.emulate_media(media="print")
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(file.as_uri())
    yield Seen(page, asked, complaints)
    page.close()
