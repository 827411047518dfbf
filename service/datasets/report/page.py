"""The report as one HTML page that needs nothing else and runs nothing. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

from service.datasets.report.schemas import Bar, DatasetReport, TokenReport

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --muted: #57606a;
  --grid: #d8dee4; --bar: #0b62c4; --warn: #8f1d1d; --warn-paper: #ffe9e6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117;
  --muted: #9da7b1; --grid: #30363d; --bar: #6cb0ff; --warn: #ffb3a8; --warn-paper: #3d1513; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.notice { border: 2px solid var(--warn); color: var(--warn); background: var(--warn-paper);
  padding: .6rem .9rem; font-weight: 700; }
.note { color: var(--muted); } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--muted); padding-bottom: .4rem; }
th, td { padding: .35rem .6rem; border-bottom: 1px solid var(--grid); text-align: right;
  vertical-align: top; }
th:first-child, td:first-child, td.text { text-align: left; overflow-wrap: anywhere; }
meter { width: 12rem; }
"""
_TITLES = {
    "text_characters": "Characters of texts",
    "target_characters": "Characters of targets",
    "text_tokens": "Tokens of texts, estimated",
    "target_tokens": "Tokens of targets, estimated",
}


def render_report(report: DatasetReport, *, name: str) -> bytes:
    """Return the page; every value of the data is escaped, and there are no scripts."""
    parts = [
        f"<h1>Dataset {escape(name)}</h1>",
        _notice(report),
        _rows(report),
        _warnings(report),
        *(_histogram(_TITLES[key], report.histograms.get(key, [])) for key in _TITLES),
        _table("Labels", ("Label", "Rows"), report.labels.items()),
        _leaks(report),
        _personal(report),
        _cost(report),
        _samples(report),
    ]
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Dataset {escape(name)}</title><style>{_STYLE}</style></head><body>"
    )
    return (head + "\n".join(filter(None, parts)) + "</body></html>\n").encode()


def _notice(report: DatasetReport) -> str:
    if report.leakage is None or not report.leakage.allowed:
        return ""
    rows = sum(leak.rows for leak in report.leakage.leaks)
    return (
        f'<p class="notice">Held-out rows leak into training ({rows} findings), and the spec '
        "allowed it: scores from this dataset are too good.</p>"
    )


def _rows(report: DatasetReport) -> str:
    first = [("rows of the source", report.source_rows, ""), ("kept", report.kept, "")]
    dropped = (
        (f"dropped: {reason}", each.rows, ", ".join(map(str, each.first_rows)))
        for reason, each in report.dropped.items()
    )
    groups = [
        ("groups", report.groups.count, ""),
        ("rows of the largest group", report.groups.largest, ""),
    ]
    return _table("Rows", ("What", "Count", "First rows"), [*first, *dropped, *groups])


def _warnings(report: DatasetReport) -> str:
    found = (
        (each.code, each.message, "" if each.rows is None else each.rows)
        for each in report.warnings
    )
    return _table("Warnings", ("Rule", "What and how to mend it", "Rows"), found)


def _leaks(report: DatasetReport) -> str:
    if report.leakage is None:
        return ""
    if not report.leakage.leaks:
        rules = ", ".join(report.leakage.rules)
        return f'<h2>Leakage</h2><p class="note">None, by {escape(rules)}.</p>'
    found = (
        (
            leak.rule,
            leak.split.value,
            leak.other.value,
            leak.rows,
            ", ".join(f"{pair.held} and {pair.other}" for pair in leak.pairs),
        )
        for leak in report.leakage.leaks
    )
    return _table("Leakage", ("Rule", "Split", "Other", "Rows", "First pairs of rows"), found)


def _personal(report: DatasetReport) -> str:
    title = f"Personal data found by patterns in {report.pii_rows} examples"
    return _table(title, ("Kind", "Examples"), report.pii.items())


def _cost(report: DatasetReport) -> str:
    cost = report.cost
    if cost is None or report.tokens is None:
        return ""
    rows = (
        (
            row.train_size,
            row.epochs,
            f"{row.tokens_low:,} to {row.tokens_high:,}",
            "not known"
            if row.dollars_low is None
            else f"{row.dollars_low:,.2f} to {row.dollars_high:,.2f}",
        )
        for row in cost.rows
    )
    error, how = report.tokens.error, _how(report.tokens)
    note = (
        f"Tokens are estimated, within {error:.0%} ({how}). Prices for "
        f"{cost.model or 'no named model'}: {', '.join(filter(None, (cost.source, cost.as_of)))}."
    )
    table = _table("Cost of tuning", ("Train size", "Epochs", "Tokens", "US dollars"), rows)
    return f'{table}<p class="note">{escape(note)}</p>'


def _how(tokens: TokenReport) -> str:
    if tokens.counted:
        who = "an emulator" if tokens.synthetic else "the provider"
        return f"{tokens.counted} examples counted by {who}"
    return ": ".join(filter(None, ("a guess, nothing counted", tokens.not_counted)))


def _samples(report: DatasetReport) -> str:
    rows = ((each.row, each.text, each.target) for each in report.samples)
    return _table("Training examples, masked", ("Row", "Text", "Target"), rows)


def _histogram(title: str, bars: Sequence[Bar]) -> str:
    if not bars:
        return ""
    most = max(bar.rows for bar in bars)
    rows = "".join(
        f"<tr><td>{bar.low:,} to {bar.high - 1:,}</td><td>{bar.rows:,}</td>"
        f'<td class="text"><meter max="{most}" value="{bar.rows}">{bar.rows}</meter></td></tr>'
        for bar in bars
    )
    return (
        f'<h2>{title}</h2><div class="scroll"><table><tr><th>Range</th><th>Rows</th><th></th></tr>'
        f"{rows}</table></div>"
    )


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    if not body:
        return ""
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    table = f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
    return f"<h2>{escape(title)}</h2>{table}"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"<td>{value:,}</td>"
    return f'<td class="text">{escape(str(value))}</td>'
