"""What the report of an experiment reads: details of its variants, rows that differ."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from math import exp
from typing import Any

from service.database import Sessions
from service.datasets.examples import Example, Split
from service.datasets.presets.answer_form import AnswerKind
from service.datasets.queries import DatasetView, stream_examples
from service.datasets.report.masking import common_words
from service.evaluation.exports.row_scores import read_rows
from service.evaluation.prompts import REASONING
from service.evaluation.queries import get_evaluation
from service.evaluation.schemas import VariantKind, present_evaluation
from service.evaluation.scoring.confusion import ConfusionMatrix
from service.experiments.decisions.decision import Decision
from service.experiments.label_error_schemas import LabelErrors, SuspectRow
from service.experiments.label_errors import Vote, rank_label_errors
from service.experiments.label_neighbours import MOST_ROWS, weigh_neighbours
from service.experiments.report.data import PromptSample, VariantDetails
from service.experiments.report.row_examples import RowFindings, compare_rows
from service.experiments.variant_view import VariantView
from service.experiments.variants import UNSEEN
from service.jobs.lifecycle import State
from service.jobs.ports import JobRecord
from service.storage.ports import ObjectStore
from service.tuning.curve_schemas import Inconclusive, OverfittingFinding
from service.tuning.curves.records import overfitting_inconclusive, training_curves
from service.tuning.queries import get_model

Row = Mapping[str, Any]
SUSPECTS = 1_000  # rows that are listed at most
_WEIGHED = 5_000  # suspects by votes whose neighbours are looked at
_WORD_ROWS = 2_000  # of the test rows show which words are common


@dataclass(frozen=True, slots=True)
class ReportSources:
    """Where a report reads from."""

    dataset: DatasetView
    project_id: str
    sessions: Sessions
    store: ObjectStore


def details_of(
    variants: Sequence[VariantView], *, metric: str, sources: ReportSources
) -> dict[str, VariantDetails]:
    """Return what is known of each scored variant beside its score by `metric`."""
    first = next(stream_examples(sources.dataset.examples_key, Split.TEST, store=sources.store))
    return {
        each.name: _details(each, first, metric=metric, sources=sources)
        for each in variants
        if each.score is not None
    }


def _details(
    variant: VariantView, first: Example, *, metric: str, sources: ReportSources
) -> VariantDetails:
    row, scores = get_evaluation(
        variant.evaluation, project_id=sources.project_id, sessions=sources.sessions
    )
    shown = present_evaluation(row, scores, job=None)
    shots = _shots(variant, sources) if variant.shots else ()
    instruction = (
        shown.setup.instruction.removesuffix(REASONING).rstrip("\n") if shown.setup else ""
    )
    return VariantDetails(
        scores=[score for score in shown.metrics if score.metric != metric],
        findings=shown.findings,
        overfitting=_overfitting(variant, sources),
        has_few_points=_has_few_points(variant, sources),
        confusion=ConfusionMatrix.model_validate(row.confusion) if row.confusion else None,
        setup=shown.setup,
        confidence=shown.confidence,
        judge=shown.judge,
        prompt=PromptSample(instruction, first, shots, reasons=VariantKind(variant.kind).reasons),
    )


def _overfitting(variant: VariantView, sources: ReportSources) -> OverfittingFinding | None:
    if variant.model is None:
        return None
    model = get_model(variant.model, project_id=sources.project_id, sessions=sources.sessions)
    found = model.overfitting
    return OverfittingFinding.model_validate(found) if found else None


def _has_few_points(variant: VariantView, sources: ReportSources) -> bool:
    if variant.model is None:
        return False
    _, points = training_curves(
        variant.model, project_id=sources.project_id, sessions=sources.sessions
    )
    return overfitting_inconclusive(points) is Inconclusive.TOO_FEW_POINTS


def _shots(variant: VariantView, sources: ReportSources) -> tuple[Example, ...]:
    """Return the shots of the first test row, in order."""
    first = next(iter(_rows(variant.evaluation, sources)), {})
    wanted: Sequence[str] = first.get("shot_ids") or ()
    found: dict[str, Example] = {}
    for example in stream_examples(sources.dataset.examples_key, Split.TRAIN, store=sources.store):
        if len(found) == len(set(wanted)):
            break
        if example.id in wanted:
            found[example.id] = example
    return tuple(found[each] for each in wanted if each in found)


def row_findings(
    decision: Decision,
    variants: Sequence[VariantView],
    *,
    metric: str,
    sources: ReportSources,
) -> RowFindings | None:
    """Compare the rows of the size that stands for tuning with those of the best prompt."""
    evaluations = {each.name: each.evaluation for each in variants}
    chosen, prompt = decision.candidate, decision.best_prompt
    if chosen is None:
        return None
    others: Iterable[Row | None] = (
        _rows(evaluations[prompt.name], sources) if prompt else repeat(None)
    )
    return compare_rows(
        zip(_rows(evaluations[chosen.name], sources), others, strict=False),
        variant=chosen.name,
        prompt=prompt.name if prompt else None,
        metric=metric,
        is_json=sources.dataset.answer.kind is AnswerKind.JSON,
    )


def _rows(evaluation_id: str, sources: ReportSources) -> Iterator[Row]:
    return read_rows(
        evaluation_id,
        project_id=sources.project_id,
        sessions=sources.sessions,
        store=sources.store,
    )


def find_label_errors(
    experiment_id: str, children: Sequence[JobRecord], sources: ReportSources
) -> LabelErrors | None:
    """Rank the training rows that smaller models were asked; None where none was."""
    votes = [vote for child in _label_checks(children) for vote in _votes(child, sources)]
    if not votes:
        return None
    closed = sources.dataset.answer.kind is AnswerKind.LABEL
    found = rank_label_errors(votes, closed=closed)[:_WEIGHED]
    places = {each.position for each in found}
    rows = _training_rows(places, more=MOST_ROWS if closed else 0, sources=sources)
    if closed:
        texts = {place: (each.text, each.target) for place, each in rows.items()}
        found = weigh_neighbours(found, texts)
    return LabelErrors(
        experiment=experiment_id,
        checked=len({vote.position for vote in votes}),
        models=list(dict.fromkeys(vote.model for vote in votes)),
        data=[
            SuspectRow(
                row=rows[each.position].row,
                example_id=rows[each.position].id,
                label=each.label,
                suggested=each.suggested,
                votes=each.votes,
                models=each.models,
                evidence=each.evidence,
            )
            for each in found[:SUSPECTS]
        ],
    )


def _training_rows(
    places: Collection[int], *, more: int, sources: ReportSources
) -> dict[int, Example]:
    """Return the training rows at some places, and so many of the first ones."""
    first = 0 if more else min(places, default=0)
    last = max(more, max(places, default=-1) + 1)
    examples = stream_examples(
        sources.dataset.examples_key, Split.TRAIN, first=first, last=last, store=sources.store
    )
    return {
        place: each
        for place, each in enumerate(examples, start=first)
        if place < more or place in places
    }


def _label_checks(children: Sequence[JobRecord]) -> list[JobRecord]:
    return [
        each
        for each in children
        if each.kind == "evaluate" and each.spec.get("split") == Split.TRAIN
        if State(each.state) is State.SUCCEEDED
    ]


def _votes(child: JobRecord, sources: ReportSources) -> Iterator[Vote]:
    for row in _rows(child.outputs["evaluation"], sources):
        if row["correct"] is not None:
            yield Vote(
                model=child.labels["variant"].removesuffix(UNSEEN),
                position=row["position"],
                label=row["references"][0],
                answer=row["answer"],
                agrees=row["correct"],
                probability=None if row["logprob"] is None else exp(row["logprob"]),
            )


def shared_words(sources: ReportSources) -> frozenset[str]:
    """Return the words that a masked text may show: those of many test rows, and of the labels."""
    examples = stream_examples(sources.dataset.examples_key, Split.TEST, store=sources.store)
    texts = ((each.text, each.target) for each in islice(examples, _WORD_ROWS))
    return common_words(texts, known=sources.dataset.answer.words())
