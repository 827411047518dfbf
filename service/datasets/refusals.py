"""What is wrong with the rows and columns of sources, said all at once and without any data."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from service.datasets.drops import FAULTS_SHOWN, DropReason, Drops
from service.datasets.examples import Split, fold
from service.datasets.ingestion.staged_rows import StagedRows
from service.datasets.presets.preset import Preset
from service.datasets.row_faults import RowFault
from service.datasets.schemas import PrepareSpec
from service.datasets.sources.synthetic import COLUMNS as SYNTHETIC_COLUMNS
from service.errors import Fault, Invalid
from service.text import counted

_COLUMNS_SHOWN = 50
_REASONS = {
    DropReason.EMPTY_TEXT: "no text; fill the column or name another in `columns`",
    DropReason.UNANSWERABLE: (
        "no answer; fill `answers`, name another column in `columns`, or teach that there is none "
        "(`squad: {unanswerable: teach}`)"
    ),
    DropReason.ZERO_WEIGHT: "only answers of `weight` 0",
    DropReason.ANSWER_MISSING: "one answer only, or none; a pair has a chosen and a rejected one",
    DropReason.EQUAL_ANSWERS: "two equal answers: nothing is preferred",
    DropReason.NO_SHARED_PROMPT: (
        "two conversations that are not one prompt with two answers; only the model's last turn "
        "may differ"
    ),
    DropReason.CONFLICTING_PREFERENCE: (
        "a preference that others for the same prompt turn round, in one step (a over b, b over a) "
        "or in a circle (a over b, b over c, c over a); decide which is right"
    ),
    DropReason.OVER_LONG: "more than `max_characters`; raise it",
}
_ONE_WORD = re.compile(r"\w[\w.:/()#-]{0,63}")
_COLUMN_NAME = re.compile(r"\w[\w .:/()#-]{0,63}")
_WRITTEN_OTHERWISE = (
    "a column differs from it in case, white space, underscores or composed letters only: write "
    "it in `columns` as the file does"
)
_ARTICLE = frozenset({"paragraphs", "qas"})
_ARTICLES = 'the rows are SQuAD\'s articles: write {"data": [...]} of them as one JSON document'
_FIRST_LINE = (
    "the names that are there look like data, and are not shown; if a CSV file has no header, the "
    "first line may be data: name the columns in `columns` of the format"
)
_LABELS_AS_COLUMNS = (
    "columns are named as labels are, one for each: write one column that holds the row's label"
)
# A number as in an address or a telephone, an e-mail address, the end of a sentence.
_DATA = re.compile(r"\d{3}|\d .*\d|@|[.!?,](?:\s|$)|\s.*\s.*\s.*\s")


@dataclass(frozen=True, slots=True)
class Staged:
    """A staged source; `split` is where all of its rows belong, None the main source."""

    rows: StagedRows
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class ConvertedSource:
    """What is kept of a source whose rows are converted."""

    split: Split | None
    source_rows: int
    faults: Sequence[RowFault]
    assumed_encodings: Sequence[str] = ()


def check_sources(staged: Sequence[Staged], *, preset: Preset, spec: PrepareSpec) -> None:
    """Raise Invalid `no_rows`, the faults of a source that has no good row, or `missing_column`.

    The last names the columns there are, unless the header looks like data.
    """
    if not any(each.rows.source_rows for each in staged):
        raise Invalid("the source has no rows", code="no_rows")
    hopeless = [each for each in staged if not each.rows.rows]
    _refuse([_fault(f, each.split, spec) for each in hopeless for f in _shown(each.rows.faults)])
    for each in staged:
        _check_columns(each, preset, spec)


def check_synthetic_columns(preset: Preset, columns: Mapping[str, str]) -> None:
    """Raise Invalid `missing_column` where a preset reads columns that made-up rows lack."""
    wanted = [columns.get(name, name) for name in preset.columns]
    missing = [name for name in wanted if name not in SYNTHETIC_COLUMNS]
    if missing:
        message = (
            f"made-up rows have the columns {', '.join(SYNTHETIC_COLUMNS)}, but the preset "
            f"{preset.name!r} reads {', '.join(wanted)}; use the preset 'pii', or other rows"
        )
        fault = Fault("/spec/source/type", "missing_column", message)
        raise Invalid(message, code="missing_column", faults=[fault])


def check_synthetic_rows(source_rows: int, spec: PrepareSpec) -> None:
    """Raise Invalid `train_size_too_large` for a size that so many made-up rows cannot fill."""
    held_out = 0 if spec.test_source else spec.test_size
    held_out += 0 if spec.validation_source else spec.validation_size
    most = max(0, source_rows - held_out)
    message = f"{counted(source_rows, 'made-up row')} leave at most {most} to train on"
    faults = [
        Fault(f"/spec/train_sizes/{at}", "train_size_too_large", f"{size}: {message}")
        for at, size in enumerate(spec.train_sizes)
        if size > most
    ]
    if faults:
        raise Invalid(message, code="train_size_too_large", faults=faults)


def refuse_rows(sources: Sequence[ConvertedSource], *, spec: PrepareSpec) -> None:
    """Raise Invalid with the faults of all sources, the first of each code."""
    _refuse([_fault(f, each.split, spec) for each in sources for f in _shown(each.faults)])


def no_usable_row(drops: Drops) -> Invalid:
    """Return the error for sources of which every row was dropped, with the reasons."""
    counts = sorted(drops.counts.items())
    reasons = "; ".join(
        f"{counted(count, 'row has', 'rows have')} {_REASONS.get(name, name.value)}"
        for name, count in counts
    )
    faults = [
        Fault(f"row {row}", name.value, f"the row has {_REASONS.get(name, name.value)}")
        for name, _ in counts
        for row in drops.first_rows[name]
    ]
    message = f"no row of the source can be used: {reasons}" if reasons else "no row can be used"
    return Invalid(message, code="no_rows", faults=faults)


def row_name(row: int, split: Split | None, spec: PrepareSpec) -> str:
    """Return how a user knows a row: rows of a source of their own are named by it."""
    own = {Split.TEST: spec.test_source, Split.VALIDATION: spec.validation_source}
    return f"{split.value} row {row}" if split and own.get(split) else f"row {row}"


def _check_columns(staged: Staged, preset: Preset, spec: PrepareSpec) -> None:
    needed = {name: spec.columns.get(name, name) for name in preset.columns}
    in_columns = preset.pointer == "/spec/columns"
    pointers = {
        column: f"{preset.pointer}/{name}" if in_columns else preset.pointer
        for name, column in needed.items()
    }
    if spec.group in pointers:
        pointers[spec.group] = "/spec/group"
    if spec.split_column:
        pointers[spec.split_column] = "/spec/split_column"
    known = _known(staged.rows, preset, hopeless=pointers.keys().isdisjoint(staged.rows.columns))
    alike = {_same_name(name) for name in staged.rows.columns}
    faults = [
        Fault(pointer, "missing_column", f"no column {column[:64]!r}; {known}")
        if _same_name(column) not in alike
        else Fault(pointer, "missing_column", f"no column {column[:64]!r}; {_WRITTEN_OTHERWISE}")
        for column, pointer in pointers.items()
        if column not in staged.rows.columns
    ]
    if faults:
        shown = [_fault(each, staged.split, spec) for each in _shown(staged.rows.faults)]
        raise Invalid(faults[0].message, code="missing_column", faults=[*faults, *shown])


def _same_name(name: str) -> str:
    return fold(name).replace(" ", "").replace("_", "")


def _known(staged: StagedRows, preset: Preset, *, hopeless: bool) -> str:
    """Return which columns there are; a first line of data is never repeated.

    `hopeless`: none of the columns that are read is there, so that only single words are shown.
    """
    if "context" in preset.columns and _ARTICLE.intersection(staged.columns):
        return _ARTICLES
    labels = set(map(fold, preset.labels))
    named_as_labels = labels.intersection(map(fold, staged.columns))
    if len(named_as_labels) > 1:
        return _LABELS_AS_COLUMNS
    looks_like_data = named_as_labels or any(map(_DATA.search, staged.columns))
    if staged.names_in_rows or looks_like_data:
        return _FIRST_LINE
    name_form = _ONE_WORD if hopeless else _COLUMN_NAME
    hidden = staged.names_like_cells if hopeless else ()
    names = [name for name in staged.columns if name_form.fullmatch(name) and name not in hidden]
    if not names:
        return _FIRST_LINE
    others = len(staged.columns) - len(names[:_COLUMNS_SHOWN])
    return f"known: {', '.join(names[:_COLUMNS_SHOWN])}" + (f" and {others} more" if others else "")


def _shown(faults: Iterable[RowFault]) -> list[RowFault]:
    """Return the first twenty of each code, by row."""
    by_code: dict[str, list[RowFault]] = defaultdict(list)
    for fault in faults:
        by_code[fault.code].append(fault)
    shown = (sorted(some, key=lambda fault: fault.row)[:FAULTS_SHOWN] for some in by_code.values())
    return sorted(chain.from_iterable(shown), key=lambda fault: (fault.row, fault.code))


def _fault(fault: RowFault, split: Split | None, spec: PrepareSpec) -> Fault:
    where = f"{fault.field}: " if fault.field else ""
    return Fault(row_name(fault.row, split, spec), fault.code, f"{where}{fault.message}")


def _refuse(faults: Sequence[Fault]) -> None:
    if not faults:
        return
    first = faults[0]
    more = f"; {len(faults) - 1} more" if len(faults) > 1 else ""
    message = f"{first.pointer}: {first.message}{more}"
    raise Invalid(message, code=first.code, faults=faults)
