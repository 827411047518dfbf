"""What people say of judged answers: stored all or none, and compared with the judge."""

from array import array
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.clock import utc_now
from service.database import Sessions
from service.errors import Conflict, Fault, Invalid, NotFound
from service.evaluation import repository
from service.evaluation.generation_schemas import JudgeMode
from service.evaluation.judges.reports import (
    SCALE,
    HumanRows,
    JudgeCalibration,
    JudgeReport,
)
from service.evaluation.judges.rubric import VERDICTS, length_of
from service.evaluation.judges.verdict_schemas import (
    MOST_VERDICTS,
    Verdict,
    VerdictIn,
    VerdictOut,
    Verdicts,
)
from service.evaluation.models import HumanVerdict
from service.evaluation.queries import table_key_of
from service.evaluation.scoring.row_table import rows_after
from service.evaluation.scoring.scores import group_number
from service.evaluation.statistics.intervals import Array
from service.storage.ports import ObjectStore

Labels = Mapping[str, Mapping[str, int]]


def put_verdicts(
    evaluation_id: str,
    given: Sequence[VerdictIn],
    *,
    project_id: str,
    sessions: Sessions,
    store: ObjectStore,
) -> JudgeReport:
    """Store what people say, all or nothing, and return the judge's report beside it.

    A second verdict of one person on an answer takes the place of the first. Raises NotFound,
    Conflict `not_ready` and `no_judge`, and Invalid that names each verdict at fault.
    """
    key = table_key_of(evaluation_id, project_id=project_id, sessions=sessions)
    report = _report(evaluation_id, project_id=project_id, sessions=sessions)
    places = _places(given, report)
    others = _other_lengths(report, project_id=project_id, sessions=sessions, store=store)
    rows = rows_after(key, evaluation_id, after=-1, store=store)
    judged = _judged_answers(rows, report, others)
    _require_judged(given, judged.numbers)
    with sessions.transaction() as session:  # in one, so that of two at once none misses the other
        row = repository.lock(session, evaluation_id)
        repository.put_verdicts(session, _human_verdicts(evaluation_id, given, places))
        labels = _labels(repository.verdicts(session, evaluation_id))
        calibration = judged.calibration(labels, levels=report.levels)
        report = report.model_copy(update={"calibration": calibration})
        row.judge = report.model_dump(mode="json")
    return report


def _human_verdicts(
    evaluation_id: str, given: Sequence[VerdictIn], places: Sequence[int]
) -> list[HumanVerdict]:
    return [
        HumanVerdict(
            evaluation_id=evaluation_id,
            example_id=verdict.example_id,
            rater=verdict.rater,
            place=place,
            created_at=utc_now(),
        )
        for verdict, place in zip(given, places, strict=True)
    ]


def _labels(known: Sequence[HumanVerdict]) -> Labels:
    """Return the places by example and rater; raises Invalid `too_many_verdicts`."""
    if len(known) > MOST_VERDICTS:
        message = f"an evaluation takes up to {MOST_VERDICTS:,} verdicts of people"
        raise Invalid(message, code="too_many_verdicts")
    labels: dict[str, dict[str, int]] = {}
    for each in known:
        labels.setdefault(each.example_id, {})[each.rater] = each.place
    return labels


def list_verdicts(
    evaluation_id: str, *, project_id: str, sessions: Sessions, store: ObjectStore
) -> Verdicts:
    """Return what people have said, beside the judge's scores; raises what `put_verdicts` does."""
    key = table_key_of(evaluation_id, project_id=project_id, sessions=sessions)
    report = _report(evaluation_id, project_id=project_id, sessions=sessions)
    with sessions.reading() as session:
        known = repository.verdicts(session, evaluation_id)
    wanted = {each.example_id for each in known}
    rows = rows_after(key, evaluation_id, after=-1, store=store) if wanted else iter(())
    scores = {
        row["example_id"]: row["scores"].get(report.score)
        for row in rows
        if row["example_id"] in wanted
    }
    return Verdicts(
        data=[
            VerdictOut(
                example_id=each.example_id,
                rater=each.rater,
                verdict=_options(report)[each.place],
                judge=scores.get(each.example_id),
                created_at=each.created_at,
            )
            for each in known
        ]
    )


def _report(evaluation_id: str, *, project_id: str, sessions: Sessions) -> JudgeReport:
    with sessions.reading() as session:
        row = repository.get(session, evaluation_id, project_id=project_id)
    if row.judge is None:
        message = f"{evaluation_id} has no judge: evaluate with `judge`, then label its answers"
        raise Conflict(message, code="no_judge")
    return JudgeReport.model_validate(row.judge)


def _places(given: Sequence[VerdictIn], report: JudgeReport) -> list[int]:
    """Return the place of each verdict, from 0, the worst."""
    options = _options(report)
    faults, seen = [], set()
    for at, each in enumerate(given):
        if each.verdict not in options:
            known = ", ".join(map(str, options))
            message = f"a verdict of this evaluation is one of {known}"
            faults.append(Fault(f"/data/{at}/verdict", "verdict_unknown", message))
        if (each.example_id, each.rater) in seen:
            message = "the same rater has a verdict on this answer already"
            faults.append(Fault(f"/data/{at}", "verdict_repeated", message))
        seen.add((each.example_id, each.rater))
    _refuse(faults)
    return [options.index(each.verdict) for each in given]


def _options(report: JudgeReport) -> Sequence[Verdict]:
    return range(1, report.levels + 1) if report.mode is JudgeMode.POINTWISE else VERDICTS


def _require_judged(given: Sequence[VerdictIn], judged: Container[str]) -> None:
    message = "the evaluation has no answer to this example that the judge has judged"
    _refuse(
        [
            Fault(f"/data/{at}/example_id", "example_not_judged", message)
            for at, each in enumerate(given)
            if each.example_id not in judged
        ]
    )


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        message = f"{len(faults)} verdicts cannot be taken, so none was"
        raise Invalid(message, code="verdicts_invalid", faults=list(faults[:100]))


@dataclass(frozen=True, slots=True)
class JudgedAnswers:
    """What calibration needs of the answers that a judge has judged: by number, never their texts.

    `numbers` are by example; values are the judge's, 0 to 1.
    """

    numbers: Mapping[str, int]
    values: Array
    lengths: NDArray[np.int64]
    groups: NDArray[np.uint64]

    def calibration(self, labels: Labels, *, levels: int) -> JudgeCalibration | None:
        """Return how the judge compares with the labels; None without one."""
        human = HumanRows(levels)
        for example_id, said in labels.items():
            at = self.numbers.get(example_id)
            if at is not None:
                length, group = int(self.lengths[at]), int(self.groups[at])
                human.add(float(self.values[at]), said, length=length, group=group)
        return human.calibration(self.values, self.groups)


def _judged_answers(
    rows: Iterator[dict[str, Any]], report: JudgeReport, others: Mapping[str, int]
) -> JudgedAnswers:
    """Read them; `others` are the lengths of the answers compared with, else the reference's."""
    numbers: dict[str, int] = {}
    values, lengths, groups = array("d"), array("q"), array("Q")
    for row in rows:
        score = row["scores"].get(report.score)
        if score is None:
            continue
        name = row["example_id"]
        numbers[name] = len(numbers)
        values.append(score / SCALE)
        other = others.get(name, len(row["references"][0]))
        lengths.append(length_of(report.mode, row["answer"], other=other))
        groups.append(group_number(row["group"]))
    return JudgedAnswers(
        numbers,
        np.frombuffer(values),
        np.frombuffer(lengths, dtype=np.int64),
        np.frombuffer(groups, dtype=np.uint64),
    )


def _other_lengths(
    report: JudgeReport, *, project_id: str, sessions: Sessions, store: ObjectStore
) -> dict[str, int]:
    """Return the lengths of the answers compared with, where these are there still."""
    if report.against is None:
        return {}
    try:
        key = table_key_of(report.against, project_id=project_id, sessions=sessions)
    except NotFound:
        return {}
    rows = rows_after(key, report.against, after=-1, store=store)
    return {row["example_id"]: len(row["answer"]) for row in rows}
