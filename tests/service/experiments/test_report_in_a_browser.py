"""Reports in a real browser: drawn, quiet, alone, and nothing beyond the edge of the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.datasets.report.page import Origin
from service.datasets.report.page import render_report as render_dataset_report
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.synthetic import synthetic_rows
from service.experiments.report.page import render_report
from tests.service.datasets.columnar import prepare_rows
from tests.service.experiments.reports import full_report, judged_report
from tests.support.browser import MEDIA, WIDTHS, Medium, Seen, look_at, open_browser


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    experiment, dataset, judged = (
        folder / f"{name}.html" for name in ("experiment", "dataset", "judged")
    )
    experiment.write_text(render_report(full_report()), encoding="utf-8")
    judged.write_text(render_report(judged_report()), encoding="utf-8")
    spec = PrepareSpec.model_validate(
        {
            "preset": "pii",
            "source": {"type": "synthetic"},
            "train_sizes": [50, 200],
            "test_size": 40,
        }
    )
    prepared = prepare_rows(synthetic_rows(400, seed=1), spec, model="gemini-3.5-flash").report
    origin = Origin(
        "reviews_of_2026_with_a_name_that_is_much_longer_than_a_narrow_screen_is_wide.jsonl.gz",
        facts=[("Dataset", "ds_01jd5v3q0e8k3v7m2x9y4z6abc"), ("Instruction", "mask " * 60)],
        splits=[("train", 350, 340), ("test", 40, 40)],
        synthetic=True,
    )
    dataset.write_bytes(render_dataset_report(prepared, origin))
    return {"experiment": experiment, "dataset": dataset, "judged": judged}


@pytest.fixture(scope="module")
def reports(files: dict[str, Path]) -> Iterator[dict[str, Seen]]:
    """Each report is loaded once: how it is shown follows from its style alone."""
    with open_browser() as browser:
        yield {name: look_at(browser, file) for name, file in files.items()}


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["experiment", "dataset", "judged"])
def test_a_report_asks_nobody_for_anything_and_fits_its_page(
    reports: dict[str, Seen], files: dict[str, Path], name: str, width: int, medium: Medium
) -> None:
    seen = reports[name]
    seen.show(width=width, medium=medium)
    assert seen.overflows() == []
    background, text = seen.page.evaluate(
        "[getComputedStyle(document.documentElement).backgroundColor,"
        " getComputedStyle(document.body).color]"
    )
    assert (background == "rgb(255, 255, 255)") is (medium != "dark")
    assert background != text
    assert seen.asked == [files[name].as_uri()]
    assert seen.complaints == []


def test_a_printed_table_breaks_no_word(reports: dict[str, Seen]) -> None:
    """On A4 within margins of a centimetre; the widest table has a page across of its own."""
    cells = ".scroll th, .scroll td:not(.text)"
    broken = """cells => [...document.querySelectorAll(cells)].flatMap(e => {
      const walker = document.createTreeWalker(e, NodeFilter.SHOW_TEXT), found = [];
      for (let node; node = walker.nextNode();)
        for (const word of node.data.matchAll(/[A-Za-z]+/g)) {
          const range = document.createRange();
          range.setStart(node, word.index);
          range.setEnd(node, word.index + word[0].length);
          if (range.getClientRects().length > 1) found.push(word[0]);
        }
      return found;
    })"""
    for name, width in (("experiment", 718), ("judged", 1047), ("dataset", 718)):
        seen = reports[name]
        seen.show(width=width, medium="print")
        assert seen.page.evaluate(broken, cells) == []
        assert seen.overflows() == []
        wide = seen.page.locator(".scroll:has(th:nth-child(12))").evaluate_all(
            "all => all.map(e => getComputedStyle(e).page)"
        )
        assert set(wide) <= {"wide"}


def test_on_a_phone_the_plot_is_narrow_and_each_cell_says_what_it_is(
    reports: dict[str, Seen],
) -> None:
    reports["experiment"].show(width=390, medium="light")
    page = reports["experiment"].page
    assert page.locator("figure svg.narrow").first.is_visible()
    assert not page.locator("figure svg.wide").first.is_visible()
    named = "e => getComputedStyle(e, '::before').content"
    names = [each.evaluate(named) for each in page.locator("tbody tr").nth(2).locator("td").all()]
    assert '"95 % interval"' in names
    assert page.get_by_text("SYNTHETIC").first.is_visible()


def test_names_of_the_front_stand_clear_of_its_steps(reports: dict[str, Seen]) -> None:
    """The boxes of texts, as the browser measures them, cross no step of the front."""
    crossed = """() => [...document.querySelectorAll('svg.wide')].flatMap(svg => {
      const steps = [...svg.querySelectorAll('line.fit')].map(e => e.getBoundingClientRect());
      return [...svg.querySelectorAll('text')].filter(text => {
        const box = text.getBoundingClientRect();
        return steps.some(step => step.left < box.right && step.right > box.left
          && step.top < box.bottom - 2 && step.bottom > box.top + 2);
      }).map(text => text.textContent);
    })"""
    seen = reports["experiment"]
    seen.show(width=1280, medium="light")
    assert seen.page.locator("svg.wide line.fit").count() > 0
    assert seen.page.evaluate(crossed) == []
