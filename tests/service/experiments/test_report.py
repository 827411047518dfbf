"""The page and the rows of an experiment's report."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.experiments.decisions.front import VariantCost
from service.experiments.learning_curve.curve import LearningCurve, learning_curve
from service.experiments.report.data import DatasetFacts, ReportData
from service.experiments.report.page import (
    LEAKY_NOTICE,
    SYNTHETIC_NOTICE,
    UNLISTED_NOTICE,
    render_report,
)
from service.experiments.report.plots import draw_curve, draw_front
from service.experiments.report.svg import CANVASES, Canvas, score_ticks, spread_labels
from service.experiments.report.tables import report_tables
from service.money import NANO
from tests.service.experiments.curves import FEW, ZERO, analysed, point, tuned
from tests.service.experiments.reports import full_report

CURVE = learning_curve("sacrebleu", [ZERO, FEW, *tuned({50: 86.4, 200: 91.0, 800: 94.3})])
COSTS = {
    name: VariantCost(300, 40, per_thousand, 8 * NANO if name.startswith("tuned") else 0)
    for name, per_thousand in [
        ("zero-shot", NANO // 10),
        ("few-shot (3)", NANO // 2),
        ("tuned@50", NANO // 4),
        ("tuned@200", NANO // 4),
        ("tuned@800", NANO // 4),
    ]
}
VOID = {"meta", "line", "circle", "polygon", "polyline"}
ADDRESSES = {"src", "href", "action", "data", "poster", "xlink:href"}


class Page(HTMLParser):
    """Reads a page as a browser would and notes what stands where."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self.open[-1] if self.open else "", data.strip()))


def report(curve: LearningCurve = CURVE, *, synthetic: bool = False) -> ReportData:
    return ReportData(
        experiment_id="exp_1",
        title="PII masking",
        analysis=analysed(curve),
        dataset=DatasetFacts("ds_1", rows=7000, kept=6800, dropped={"duplicate": 200}),
        base_model="gemini-3.1-flash-lite",
        seed=7,
        synthetic=synthetic,
        created_at=datetime(2026, 1, 2, tzinfo=UTC),
        ids={"Job": "job_1"},
    )


def test_leaks_that_were_allowed_are_reported_above_all_else() -> None:
    assert LEAKY_NOTICE not in render_report(report())
    assert LEAKY_NOTICE in render_report(replace(report(), leaky=True))


def test_what_helps_to_choose_is_said() -> None:
    words = [data for _, data in Page(render_report(report())).words]
    assert "not said: no price is known for calls of a variant" in words
    least = "1.9, in four of five experiments with 200 test rows in 150 groups and 10 comparisons"
    assert least in words
    priced = replace(report(), analysis=replace(analysed(CURVE, costs=COSTS), score_of_best=94.1))
    words = [data for _, data in Page(render_report(priced)).words]
    assert "zero-shot, tuned@800" in words
    assert "94.1: the highest score less its luck in being the highest" in words
    assert "about 32,000 calls" in words


def test_a_base_model_that_is_not_listed_is_reported() -> None:
    assert UNLISTED_NOTICE not in render_report(report())
    assert UNLISTED_NOTICE in render_report(replace(report(), unlisted_model=True))


def test_the_page_needs_nothing_from_outside() -> None:
    page = render_report(report())
    read = Page(page)
    assert read.open == []
    assert "script" not in {tag for tag, _ in read.tags}
    assert not [each for _, attrs in read.tags for each in attrs if each in ADDRESSES]
    assert "://" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_the_page_says_all_it_should() -> None:
    words = [data for _, data in Page(render_report(report())).words]
    for expected in (
        "7,000",
        "6,800",
        "200",
        "gemini-3.1-flash-lite",
        "exp_1",
        "ds_1",
        "job_1",
        "7",
    ):
        assert expected in words
    assert any(each.startswith("Tune on 800 examples: 94.3 SacreBLEU") for each in words)
    assert any(each.startswith("Undecided:") for each in words)
    assert any("\N{NO-BREAK SPACE}[5.7,\N{NO-BREAK SPACE}7.7] above" in each for each in words)


def test_the_table_has_a_row_for_each_variant_with_headers() -> None:
    read = Page(render_report(report()))
    scopes = [attrs["scope"] for tag, attrs in read.tags if tag == "th"]
    assert scopes == ["col"] * 5 + ["row"] * 5
    assert [data for tag, data in read.words if tag == "th"][5:] == [
        "zero-shot",
        "few-shot (3)",
        "tuned@50",
        "tuned@200",
        "tuned@800",
    ]
    assert "caption" in {tag for tag, _ in read.tags}


def test_the_figure_has_its_content_in_words() -> None:
    read = Page(render_report(report()))
    described = [data for tag, data in read.words if tag == "desc"]
    assert "tuned@200 91.0 [89.8, 92.2]" in described[0]
    labels = [attrs.get("aria-labelledby") for tag, attrs in read.tags if tag == "svg"]
    assert labels == [f"curve-{name}-title curve-{name}-text" for name in ("wide", "narrow")]
    assert {"figure", "figcaption"} <= {tag for tag, _ in read.tags}


@pytest.mark.parametrize("synthetic", [True, False])
def test_what_the_emulator_made_is_marked_on_the_page_the_title_and_the_plot(
    *, synthetic: bool
) -> None:
    read = Page(render_report(report(synthetic=synthetic)))
    assert (("p", SYNTHETIC_NOTICE) in read.words) is synthetic
    assert (("text", "SYNTHETIC") in read.words) is synthetic
    titles = [data for tag, data in read.words if tag == "title"]
    assert titles[0].startswith("[SYNTHETIC]") is synthetic


def test_confidence_has_a_table_of_its_own() -> None:
    page = render_report(full_report())

    assert "40% [30%,\N{NO-BREAK SPACE}50%] at 95\N{NO-BREAK SPACE}% right (found 97.5%)" in page
    assert "not used: it &lt;varies&gt;" in page
    assert "What the confidence of answers is worth" not in render_report(report())
    table = report_tables(full_report())["confidence"].decode()
    assert table.splitlines()[1].startswith("zero-shot,vote,0,True")


def test_a_training_that_overfitted_is_a_finding() -> None:
    words = [data for _, data in Page(render_report(full_report())).words]

    start = words.index("Lowest at step") - 1
    found = words[words.index("tuned@800", start) :]
    assert found[:6] == ["tuned@800", "1,200", "3,000", "0.300", "0.414", "38%"]
    assert "Lowest at step" not in render_report(report())
    table = report_tables(full_report())["overfitting"].decode()
    assert table.splitlines()[1:] == ["tuned@800,1200,0.3,3000,0.414,0.38,0.1,0.35"]


def test_every_value_is_escaped() -> None:
    evil = '"><script>alert(1)</script>&'
    curve = learning_curve("sacrebleu", [replace(ZERO, name=evil), replace(FEW, name=evil)])
    page = render_report(
        replace(
            report(curve),
            title=evil,
            experiment_id=evil,
            base_model=evil,
            dataset=DatasetFacts(evil, 2, 1, {evil: 1}),
            ids={evil: evil},
        )
    )
    read = Page(page)
    assert "script" not in {tag for tag, _ in read.tags}
    assert ("h1", evil) in read.words
    assert read.open == []


def test_bounds_are_shown_where_rows_are_missing() -> None:
    partial = replace(point("tuned@50", 95.0, coverage=0.9), worst=80.0, best=97.0)
    words = Page(render_report(report(learning_curve("sacrebleu", [ZERO, partial])))).words
    assert ("td", "80.0 to 97.0") in words
    assert ("td", "90.0%") in words


def test_a_report_without_any_score_says_so_instead_of_plotting() -> None:
    page = render_report(report(learning_curve("sacrebleu", tuned({50: None}))))
    assert "<svg" not in page
    assert "nothing to plot" in page
    assert "no score" in page


@given(low=st.floats(0, 100), span=st.floats(0, 100))
def test_ticks_enclose_the_scores_and_are_few(low: float, span: float) -> None:
    ticks = score_ticks(low, low + span)
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= low + span - 1e-9
    assert 2 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))


@given(heights=st.lists(st.floats(34, 363), max_size=6))
def test_labels_are_moved_apart_and_stay_inside_in_their_order(heights: list[float]) -> None:
    placed = spread_labels(heights, gap=18, low=34, high=363)
    ordered = sorted(placed)
    assert all(after - before >= 18 - 1e-6 for before, after in pairwise(ordered))
    assert all(34 - 1e-6 <= each <= 363 + 1e-6 for each in placed)
    pairs = zip(sorted(zip(heights, placed, strict=True)), ordered, strict=True)
    assert [pair[1] for pair, _ in pairs] == pytest.approx(ordered)


SIZES = st.sampled_from([1, 10, 50, 60, 100, 200, 400, 800, 1600, 3200, 6400, 12_800])


@pytest.mark.parametrize("canvas", CANVASES, ids=lambda canvas: canvas.name)
@settings(deadline=None, max_examples=40)
@given(
    zero=st.floats(0, 100),
    few=st.floats(0, 100),
    scores=st.dictionaries(SIZES, st.floats(0, 100), max_size=8),
    half=st.one_of(st.none(), st.floats(0, 5)),
)
def test_no_text_of_the_plot_overlaps_another_or_leaves_the_picture(
    canvas: Canvas, zero: float, few: float, scores: dict[int, float | None], half: float | None
) -> None:
    prompts = [point("zero-shot", zero, half=half), point("few-shot (3)", few, half=half)]
    curve = learning_curve("sacrebleu", [*prompts, *tuned(scores, half=half)])
    drawn = analysed(curve, costs=COSTS)
    _assert_apart(text_boxes(draw_curve(drawn, canvas, synthetic=True)), canvas)
    _assert_apart(text_boxes(draw_front(drawn, canvas, synthetic=True)), canvas)


def _assert_apart(boxes: list[tuple[float, float, float, float]], canvas: Canvas) -> None:
    for place, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0
        assert top >= 0
        assert right <= canvas.width
        assert bottom <= canvas.height
        for other in boxes[place + 1 :]:
            apart_across = right <= other[0] or other[2] <= left
            assert apart_across or bottom <= other[1] or other[3] <= top


def text_boxes(svg: str) -> list[tuple[float, float, float, float]]:
    """Return left, top, right, bottom of every text, taking 7 pixels for a letter of 13."""
    found = re.findall(r'<text [^>]*?x="(.*?)" y="(.*?)" text-anchor="(.*?)">(.*?)</text>', svg)
    boxes = []
    for x, y, anchor, words in found:
        wide = 7 * len(words)
        left = float(x) - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        boxes.append((left, float(y) - 10, left + wide, float(y) + 3))
    return boxes
