"""From a prepared and written dataset to its report."""

import math
from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from service.datasets.drops import ROWS_SHOWN, DropReason
from service.datasets.examples import Split
from service.datasets.leak_rules import MEANINGS
from service.datasets.preparation import SplitDataset
from service.datasets.presets.preset import Preset
from service.datasets.publishing.example_files import WrittenFiles
from service.datasets.publishing.grains import grains_of, unused_rows
from service.datasets.publishing.placeholder_labels import PlaceholderLabels
from service.datasets.report.masking import mask
from service.datasets.report.schemas import (
    Bar,
    CostRow,
    DatasetReport,
    DatasetWarning,
    Dropped,
    Groups,
    Leak,
    LeakageReport,
    Lengths,
    RowPair,
    SampleRow,
    TokenReport,
    TuningCost,
)
from service.datasets.row_faults import Level
from service.datasets.splitting.hash_split import group_sizes
from service.datasets.splitting.leakage import PAIRS_SHOWN
from service.datasets.validation.dataset_facts import DatasetFacts, Finding
from service.datasets.validation.dataset_rules import dataset_findings
from service.datasets.validation.row_checks import RuleViolations
from service.datasets.validation.row_rules import RowRule
from service.datasets.validation.token_counts import BYTES_PER_TOKEN, Calibration
from service.text import counted

EPOCHS = (1, 3, 10)
_LABELS_SHOWN = 100
_REJECTED = "rejected_bytes"  # a key of pairs only
_BILLED = ("text_bytes", "target_bytes", _REJECTED)
_MEASURES = [f"{part}_{unit}" for part in ("text", "target") for unit in ("characters", "bytes")]
Rows = NDArray[np.int64]


def dataset_facts(
    prepared: SplitDataset,
    written: WrittenFiles,
    *,
    preset: Preset,
    placeholders: PlaceholderLabels,
    train_sizes: Sequence[int],
    today: date,
    known_models: Sequence[str],
) -> DatasetFacts:
    """Return the facts that dataset rules are checked against."""
    splits = prepared.splits
    conflicts = _conflicts(prepared)
    like_held_out = prepared.assignment.dropped.get(DropReason.LIKE_HELD_OUT, ())
    return DatasetFacts(
        train_rows=len(splits[Split.TRAIN]),
        validation_rows=len(splits[Split.VALIDATION]),
        test_groups=len(group_sizes(prepared.keys, splits[Split.TEST])),
        largest_train_size=max(train_sizes),
        training_bytes=max(written.ends.values(), default=0),
        instruction_tokens=len(preset.instruction.encode()) // BYTES_PER_TOKEN,
        kept=prepared.kept,
        moves=prepared.assignment.moves,
        base_model=prepared.base_model,
        known_models=known_models,
        today=today,
        labels=written.labels,
        label_set=preset.labels,
        first_taught=written.first_taught,
        held_out_labels=written.held_out,
        absent_labels=placeholders.absent_from(preset.instruction),
        unsquare_placeholders=placeholders.unsquare,
        square_brackets_asked="square brackets" in preset.instruction,
        lacks_placeholders=preset.placeholders and not placeholders.counts.total(),
        train_sizes=train_sizes,
        json_targets=prepared.converted.checks.json_targets,
        conflicts=sorted(conflicts)[:ROWS_SHOWN],
        conflict_rows=len(conflicts),
        near_test_rows=len(like_held_out),
        unused_rows=unused_rows(prepared),
        untested_group_rows=_largest(group_sizes(prepared.keys, splits[Split.TRAIN])),
        assumed_encodings=prepared.assumed_encodings,
    )


def _conflicts(prepared: SplitDataset) -> list[int]:
    """Return the numbers of rows whose input another row has with another target; pairs may."""
    if _REJECTED in prepared.keys.columns:
        return []
    kept = np.concatenate(list(prepared.splits.values()))
    rows = prepared.keys.select("row", "normalised", "target")[kept]
    of_input = rows.group_by("normalised").agg(
        least=pl.col("target").min(), most=pl.col("target").max()
    )
    several = of_input.filter(pl.col("least") != pl.col("most"))
    return rows.join(several, on="normalised", how="semi")["row"].to_list()


def _largest(groups: Rows) -> int:
    return int(groups.max(initial=0))


def build_report(
    prepared: SplitDataset,
    written: WrittenFiles,
    *,
    facts: DatasetFacts,
    preset: Preset,
    train_sizes: Sequence[int],
    calibration: Calibration = Calibration(),  # noqa: B008  a frozen value
) -> DatasetReport:
    """Return the report; raises nothing: what is wrong was refused before."""
    kept = np.concatenate(list(prepared.splits.values()))
    keys = prepared.keys.select(_MEASURES)[kept]
    drops = prepared.converted.drops
    groups = group_sizes(prepared.keys, kept)
    near, personal = prepared.converted.near, written.personal
    common = personal.common_words(known=preset.answer.words())
    return DatasetReport(
        source_rows=prepared.source_rows,
        kept=prepared.kept,
        duplicates=drops.counts.get(DropReason.DUPLICATE, 0),
        dropped={
            reason.value: Dropped(rows=count, first_rows=drops.first_rows[reason])
            for reason, count in drops.counts.items()
        },
        groups=Groups(count=len(groups), largest=_largest(groups), tested=facts.test_groups),
        grains=grains_of(prepared, preset),
        lengths={name: _lengths(keys[f"{name}_characters"]) for name in ("text", "target")},
        warnings=[
            *map(_row_warning, prepared.converted.checks.broken(Level.WARNING)),
            *map(_warning, dataset_findings(facts)),
        ],
        near_duplicate_threshold=near.threshold if near else None,
        leakage=_leakage(prepared),
        tokens=_tokens(keys, calibration),
        cost=_cost(prepared, train_sizes, facts.instruction_tokens, calibration),
        labels=dict(written.labels.most_common(_LABELS_SHOWN)),
        histograms=_histograms(keys, calibration),
        pii=personal.kinds,
        pii_rows=personal.rows,
        samples=[
            SampleRow(
                row=each.row,
                text=mask(each.text, common=common),
                target=mask(each.target, common=common),
                rejected=mask(each.rejected, common=common),
            )
            for each in written.samples
        ],
    )


def _row_warning(found: tuple[RowRule, RuleViolations]) -> DatasetWarning:
    rule, broken = found
    first = sorted(broken.first_rows)[:ROWS_SHOWN]
    shown = ", ".join(map(str, first))
    return DatasetWarning(
        code=rule.id,
        message=f"{counted(broken.rows, 'row')}: {rule.message}; the first: {shown}",
        field=rule.field,
        rows=broken.rows,
        first_rows=first,
    )


def _warning(caution: Finding) -> DatasetWarning:
    return DatasetWarning(
        code=caution.code,
        message=caution.message,
        level=caution.level,
        rows=caution.count,
        first_rows=list(caution.rows),
    )


def _lengths(values: pl.Series) -> Lengths:
    """Return percentiles by nearest rank: each is a length that occurs."""
    ordered = values.sort()
    p50, p95, p99 = (
        int(ordered[math.ceil(len(ordered) * share) - 1]) for share in (0.5, 0.95, 0.99)
    )
    return Lengths(p50=p50, p95=p95, p99=p99, max=int(ordered[-1]))


def _leakage(prepared: SplitDataset) -> LeakageReport:
    leaks = [
        Leak(
            rule=rule,
            split=split,
            other=other,
            rows=found.rows,
            pairs=[RowPair(held=each.held, other=each.other) for each in found.pairs[:PAIRS_SHOWN]],
        )
        for (rule, split, other), found in prepared.leaks.items()
    ]
    return LeakageReport(rules=sorted(MEANINGS), leaks=leaks, allowed=bool(leaks))


def _tokens(keys: pl.DataFrame, calibration: Calibration) -> TokenReport:
    return TokenReport(
        text=round(calibration.tokens(int(keys["text_bytes"].sum()))),
        target=round(calibration.tokens(int(keys["target_bytes"].sum()))),
        error=calibration.error,
        counted=calibration.sample,
        not_counted=calibration.not_counted,
        synthetic=calibration.synthetic,
    )


def _cost(
    prepared: SplitDataset,
    train_sizes: Sequence[int],
    instruction_tokens: int,
    calibration: Calibration,
) -> TuningCost:
    """Return what each train size costs for some numbers of epochs: the service bills tokens of
    the file times epochs, and chooses the epochs itself if none are given. Of a pair it bills the
    prompt twice and both answers (Google's page on preference tuning, "Pricing").
    """
    measures = [each for each in _BILLED if each in prepared.keys.columns]
    train = prepared.keys.select(pl.col(measures).cast(pl.Int64))[prepared.splits[Split.TRAIN]]
    prices = prepared.base_model.prices
    price = None if prices is None or prices.training is None else float(prices.training)

    def rows(sizes: pl.Series, *, prompts: int) -> list[CostRow]:
        repeated = prompts * instruction_tokens
        return [
            _cost_row(
                size,
                epochs,
                calibration.tokens(float(sizes[size - 1])) + size * repeated,
                price,
                calibration.error,
            )
            for size in train_sizes
            for epochs in EPOCHS
        ]

    chosen = train["text_bytes"] + train["target_bytes"]
    pairs = chosen + train["text_bytes"] + train[_REJECTED] if _REJECTED in measures else None
    return TuningCost(
        model=prepared.base_model.name,
        dollars_per_million_tokens=price,
        source=prices.source if prices else "not known",
        as_of=prices.as_of if prices else "",
        rows=rows(chosen.cum_sum(), prompts=1),
        preference=[] if pairs is None else rows(pairs.cum_sum(), prompts=2),
    )


def _cost_row(size: int, epochs: int, tokens: float, price: float | None, error: float) -> CostRow:
    low, high = (round(tokens * epochs * (1 + side * error)) for side in (-1, 1))
    return CostRow(
        train_size=size,
        epochs=epochs,
        tokens_low=low,
        tokens_high=high,
        dollars_low=None if price is None else round(low * price / 1e6, 4),
        dollars_high=None if price is None else round(high * price / 1e6, 4),
    )


def _histograms(keys: pl.DataFrame, calibration: Calibration) -> dict[str, list[Bar]]:
    per_byte = calibration.tokens(1)
    return {
        "text_characters": bars(keys["text_characters"].to_numpy()),
        "target_characters": bars(keys["target_characters"].to_numpy()),
        "text_tokens": bars(np.ceil(keys["text_bytes"].to_numpy() * per_byte)),
        "target_tokens": bars(np.ceil(keys["target_bytes"].to_numpy() * per_byte)),
    }


def bars(values: Iterable[float]) -> list[Bar]:
    """Return how many values lie in each range between powers of two, the empty ones at the ends
    left out.
    """
    exponents = np.frexp(np.maximum(np.asarray(values, np.float64), 0))[1]
    counts = np.bincount(np.where(np.asarray(values) < 1, 0, exponents))
    used = np.flatnonzero(counts)
    return [
        Bar(low=0 if at == 0 else 1 << (at - 1), high=1 << at, rows=int(counts[at]))
        for at in range(int(used[0]), int(used[-1]) + 1)
    ]
