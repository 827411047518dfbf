"""Which presets would take the rows of a source: each is tried on the first ones."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from service.datasets.drops import DropReason
from service.datasets.formats.rows import SourceRow
from service.datasets.presets.chat_forms import COLUMNS, RowForm
from service.datasets.presets.pii import PLACEHOLDER
from service.datasets.presets.preference_forms import COLUMNS as PAIR_COLUMNS
from service.datasets.presets.preset import ConvertedExample, Preset, RowProblem
from service.datasets.presets.registry import choose_preset
from service.datasets.preview.schemas import PresetFit
from service.datasets.preview.source_head import SourceHead
from service.errors import Invalid

_TRIED = ("squad", "pii", "sentiment", "classification", "extraction")
_TEXT = ("review", "content", "sentence", "tweet", "comment", "message", "body", "utterance",
         "query", "question", "input", "prompt")  # fmt: skip
_LABEL = ("category", "class", "intent", "sentiment", "topic", "target", "output", "y")
# What else people call the columns of presets.
_ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "text": _TEXT,
    "label": _LABEL,
    "sentiment": ("label", "polarity", "category", "target"),
    "target": ("output", "answer", "completion", "response", "label", "summary"),
    "source_text": ("full_text", "text", "unmasked_text", "source", "input"),
    "target_text": ("masked", "masked_text", "target", "output"),
    "context": ("passage", "paragraph", "document"),
    "question": ("query",),
    "answers": ("answer",),
})  # fmt: skip
_MOST_LABELS = 100
_FEW_REFUSED = 0.1


@dataclass(slots=True)
class Trial:
    """What became of the rows; `texts` and `targets` are lengths in characters."""

    texts: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    masked: int = 0
    dropped: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def try_preset(
    preset: Preset, rows: Iterable[SourceRow], *, columns: Mapping[str, str] = MappingProxyType({})
) -> Trial:
    """Convert rows by a preset; `columns` are the source's names of its columns."""
    trial = Trial()
    for row in rows:
        values = _values(preset, row, columns)
        found = RowProblem("missing_column", "") if values is None else preset.convert(values)
        match found:
            case ConvertedExample(text, target) if text and target:
                trial.texts.append(len(text))
                trial.targets.append(len(target))
                trial.masked += bool(PLACEHOLDER.search(target))
            case ConvertedExample(text):
                trial.refused["row_without_target" if text else "row_without_text"] += 1
            case RowProblem(code):
                trial.refused[code] += 1
            case DropReason():
                trial.dropped += 1
    return trial


def _values(preset: Preset, row: SourceRow, columns: Mapping[str, str]) -> dict[str, str] | None:
    needed = {name: row.fields.get(columns.get(name, name)) for name in preset.columns}
    if None in needed.values():
        return None
    optional = {n: row.fields.get(columns.get(n, n)) or "" for n in preset.optional_columns}
    return {name: text or "" for name, text in needed.items()} | optional


def preset_fits(head: SourceHead) -> list[PresetFit]:
    """Return how each preset does, the fitting ones first."""
    found = [*(_fit(name, head) for name in _TRIED), *_chat_fits(head)]
    return sorted(found, key=lambda fit: not fit.fits)


def _fit(name: str, head: SourceHead) -> PresetFit:
    needed = _columns_of(name)
    names = {column: _find(column, head.columns) for column in needed}
    missing = [f"`{column}`" for column, found in names.items() if found is None]
    if missing:
        why = f"no column for {', '.join(missing)}; name it in `columns`"
        return PresetFit(preset=name, fits=False, why=why)
    chosen = {column: found for column, found in names.items() if found}
    renamed = {column: found for column, found in chosen.items() if found != column}
    labels = _labels(chosen, head) if name == "classification" else []
    if name == "classification" and not labels:
        why = f"column `{chosen['label']}` holds too many values to be labels, or none"
        return PresetFit(preset=name, fits=False, why=why, columns=renamed)
    try:
        preset = choose_preset(name, template=None, columns=renamed, labels=tuple(labels))
    except Invalid as error:
        return PresetFit(preset=name, fits=False, why=error.message, columns=renamed)
    trial = try_preset(preset, head.rows, columns=renamed)
    fits, why = _judged(trial, needs_placeholders=name == "pii")
    return PresetFit(preset=name, fits=fits, why=why, columns=renamed, labels=labels)


def _columns_of(name: str) -> tuple[str, ...]:
    labels = ("a label",) if name == "classification" else ()
    return choose_preset(name, template=None, columns=(), labels=labels).columns


def _find(column: str, known: Iterable[str]) -> str | None:
    by_name = {name.casefold(): name for name in reversed(list(known))}
    return next(
        (by_name[name] for name in (column, *_ALIASES.get(column, ())) if name in by_name), None
    )


def _labels(chosen: Mapping[str, str], head: SourceHead) -> list[str]:
    values = [row.fields.get(chosen["label"], "").strip() for row in head.rows]
    distinct = sorted(set(filter(None, values)))
    few = len(distinct) <= min(_MOST_LABELS, max(2, len(values) // 3))
    return distinct if few and max(map(len, distinct), default=0) <= _MOST_LABELS else []


def _judged(trial: Trial, *, needs_placeholders: bool) -> tuple[bool, str]:
    refused = sum(trial.refused.values())
    total = len(trial.texts) + trial.dropped + refused
    if not trial.texts:
        return False, f"none of the {total} rows read can be used{_reasons(trial)}"
    if needs_placeholders and trial.masked < len(trial.texts) / 4:
        return False, f"{trial.masked} of {total} targets hold placeholders such as [NAME]"
    why = f"{len(trial.texts)} of the {total} rows read can be used{_reasons(trial)}"
    return refused <= _FEW_REFUSED * total, why


def _reasons(trial: Trial) -> str:
    counts = [f"{code} {rows}" for code, rows in trial.refused.most_common(3)]
    counts += [f"dropped {trial.dropped}"] if trial.dropped else []
    return f" ({', '.join(counts)})" if counts else ""


def _chat_fits(head: SourceHead) -> Iterator[PresetFit]:
    if any(set(columns[-2:]) <= set(head.columns) for columns in PAIR_COLUMNS.values()):
        yield _chat_fit(RowForm.PREFERENCE, head)
    for form, columns in COLUMNS.items():
        if set(columns) <= set(head.columns):
            yield _chat_fit(form, head)


def _chat_fit(form: RowForm, head: SourceHead) -> PresetFit:
    preset = choose_preset("generic", template=None, columns=(), form=form)
    fits, why = _judged(try_preset(preset, head.rows), needs_placeholders=False)
    return PresetFit(preset="generic", fits=fits, why=why, form=form)
