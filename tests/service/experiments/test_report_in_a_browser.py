"""The report in a real browser: drawn, quiet, alone, readable in the dark and on a phone."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, sync_playwright

from service.experiments.curve import learning_curve
from service.experiments.report.page import DatasetFacts, ReportData, render_report
from tests.service.experiments.curves import FEW, ZERO, analysed, tuned

Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; `.ci/run` installs it."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-background-networking", "--disable-sync"]
        started = playwright.chromium.launch(executable_path=found, args=arguments)
        yield started
        started.close()


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    curve = learning_curve("sacrebleu", [ZERO, FEW, *tuned({50: 86.4, 200: 91.0, 800: 94.3})])
    report = ReportData(
        experiment_id="exp_1",
        title="A title with <script>alert(1)</script> in it",
        analysis=analysed(curve),
        dataset=DatasetFacts("ds_1", 3000, 2990, {"duplicate": 10}),
        base_model="gemini-3.1-flash-lite",
        seed=0,
        synthetic=True,
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
    )
    file = tmp_path / "report.html"
    file.write_text(render_report(report), encoding="utf-8")
    return file


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_drawn_and_asks_nobody_for_anything(
    browser: Browser, page_file: Path, scheme: Scheme
) -> None:
    page = browser.new_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(page_file.as_uri())
    assert asked == [page_file.as_uri()]
    assert complaints == []
    drawing = page.locator("figure svg.narrow").first.bounding_box()
    assert drawing is not None
    assert drawing["width"] > 300
    assert page.locator("figure svg.narrow").first.is_visible()
    assert not page.locator("figure svg.wide").first.is_visible()
    name = page.locator("tbody td").nth(2).evaluate("e => getComputedStyle(e, '::before').content")
    assert name == '"95 % interval"', "a cell on a phone says what it is"
    assert page.get_by_text("SYNTHETIC").first.is_visible()
    assert page.locator("table tbody tr").count() == 5
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    assert not wide, "the page scrolls sideways on a phone"
    background, text = page.evaluate(
        "[getComputedStyle(document.documentElement).backgroundColor,"
        " getComputedStyle(document.body).color]"
    )
    assert background != text
    page.close()
