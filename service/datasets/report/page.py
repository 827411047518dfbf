"""The report as one HTML page that needs nothing else and runs nothing. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.datasets.drops import reason_words
from service.datasets.leak_rules import rule_words
from service.datasets.report.schemas import (
    DatasetReport,
    Grain,
    LeakageReport,
    TokenReport,
    TuningCost,
)
from service.money import NANO, dollar_words
from service.pages.templates import render_page

_HISTOGRAMS = {
    "text_characters": "Characters of texts",
    "target_characters": "Characters of targets",
    "text_tokens": "Tokens of texts, estimated",
    "target_tokens": "Tokens of targets, estimated",
}
Cells = tuple[int | str, ...]
_NOT_BY_ROW = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a dataset comes from: `facts` are names with values, `splits` the rows and groups of
    each split, `synthetic` is true of rows that were made up.
    """

    name: str
    facts: Sequence[tuple[str, str]] = ()
    splits: Sequence[tuple[str, int, int]] = ()
    synthetic: bool = False


def render_report(report: DatasetReport, origin: Origin) -> bytes:
    """Return the page; every value of the data is escaped, and there are no scripts."""
    page = render_page(
        "service.datasets.report",
        "page.html",
        report=report,
        origin=origin,
        rows=list(_rows(report)),
        warnings=[
            (each.code, each.message, _NOT_BY_ROW if each.rows is None else each.rows)
            for each in report.warnings
        ],
        histograms=[(title, report.histograms.get(key)) for key, title in _HISTOGRAMS.items()],
        grains=list(_grains(report.grains)),
        rules="; ".join(map(rule_words, report.leakage.rules)) if report.leakage else "",
        leaks=list(_leaks(report.leakage)) if report.leakage else [],
        cost=list(_costs(report.cost)) if report.cost and report.tokens else [],
        cost_note=_cost_note(report.cost, report.tokens) if report.cost and report.tokens else "",
        samples=[(each.row, each.text, each.target) for each in report.samples],
    )
    return page.encode()


def _rows(report: DatasetReport) -> Iterator[Cells]:
    yield "rows of the source", report.source_rows, _NOT_BY_ROW
    yield "kept", report.kept, _NOT_BY_ROW
    for reason, each in report.dropped.items():
        yield f"dropped: {reason_words(reason)}", each.rows, ", ".join(map(str, each.first_rows))
    yield "groups of the kept rows", report.groups.count, _NOT_BY_ROW
    yield "rows of the largest of them", report.groups.largest, _NOT_BY_ROW
    if report.groups.tested is not None:
        yield "groups of the test rows", report.groups.tested, _NOT_BY_ROW


def _grains(grains: Sequence[Grain]) -> Iterator[Cells]:
    for each in grains:
        own = each.name == "preset"  # as the option `group` names it
        name = "the preset's own groups" if own else each.name
        name += " (chosen)" if each.chosen else ""
        shared = (
            f"{each.shared_test_rows:,} by {each.shared}" if each.shared else "no other grouping"
        )
        yield name, each.groups, each.largest, each.groups_tested, each.unused_rows, shared


def _leaks(leakage: LeakageReport) -> Iterator[Cells]:
    for leak in leakage.leaks:
        pairs = ", ".join(f"{pair.held} and {pair.other}" for pair in leak.pairs)
        yield rule_words(leak.rule), leak.split.value, leak.other.value, leak.rows, pairs


def _costs(cost: TuningCost) -> Iterator[Cells]:
    for row in cost.rows:
        dollars = _range(_dollars(row.dollars_low), _dollars(row.dollars_high))
        tokens = _range(f"{row.tokens_low:,}", f"{row.tokens_high:,}")
        yield row.train_size, row.epochs, tokens, dollars


def _dollars(amount: float | None) -> str:
    return dollar_words(None if amount is None else round(amount * NANO))


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"


def _cost_note(cost: TuningCost, tokens: TokenReport) -> str:
    if tokens.counted:
        counter = "an emulator" if tokens.synthetic else "the provider"
        basis = f"{tokens.counted} examples counted by {counter}"
    else:
        basis = ": ".join(filter(None, ("a guess, nothing counted", tokens.not_counted)))
    source = cost.source.replace("[2nd]", "(second-hand)")
    return (
        f"Tokens are estimated, within {100 * tokens.error:.2g} % ({basis}). Prices for "
        f"{cost.model or 'no named model'}: {', '.join(filter(None, (source, cost.as_of)))}."
    )
