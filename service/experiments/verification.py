"""A bundle of an experiment, recomputed offline: every number from the rows that it holds.

`python -m service.experiments.verification BUNDLE` prints one line a difference and the verdict. It
exits with 1 where a number does not follow, with 4 where the bundle was computed by another version
of the statistics. A bundle is a zip file whose comment is the SHA-256 of all bytes before it: no
byte can change unseen.
"""

import hashlib
import io
import json
import math
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from service.errors import Invalid
from service.evaluation.exports.row_scores import given_text, golds_of, raw_answer, shared_rows
from service.evaluation.metrics.registry import MetricSpec, find_score
from service.evaluation.schemas import VariantKind
from service.evaluation.scoring.answers import bare_input
from service.evaluation.scoring.scores import Scored, Scorer
from service.evaluation.statistics.comparison import VariantScores
from service.experiments.analysis import STATISTICS_VERSION, analyse, analysis_json
from service.experiments.answer import answer
from service.experiments.curve_schemas import ExperimentCurve
from service.experiments.decisions.front import VariantCost
from service.experiments.hyperparameter_sweep import variant_configuration
from service.experiments.learning_curve.curve import Point
from service.experiments.schemas import ExperimentSpec
from service.inference.ports import Outcome
from service.money import parse_dollars

Json = Mapping[str, Any]

_DIGEST_LENGTH = 64
_CLOSE = 1e-9
_PRICES = ("per_thousand_calls", "tuning")
_SCORED = ("value", "low", "high", "n", "rows", "coverage", "worst", "best", "groups")


class Verdict(StrEnum):
    """What a bundle's numbers are found to be."""

    VERIFIED = "verified: every number follows from the rows"
    DIFFERS = "NOT VERIFIED"
    OTHER_VERSION = "not comparable"


_EXIT_CODES = {Verdict.VERIFIED: 0, Verdict.DIFFERS: 1, Verdict.OTHER_VERSION: 4}


@dataclass(frozen=True, slots=True)
class Verification:
    """Every difference between a bundle's numbers and those of its rows, and what it means.

    `version` is that of the statistics that the bundle was made with, None in older bundles.
    """

    verdict: Verdict
    differences: tuple[str, ...]
    version: int | None

    @property
    def words(self) -> str:
        """The verdict as a sentence."""
        if self.verdict is not Verdict.OTHER_VERSION:
            return self.verdict.value
        made = "before versions were stated" if self.version is None else f"{self.version}"
        return (
            f"{self.verdict}: made with other statistics (version {made}; here "
            f"{STATISTICS_VERSION}), so this says neither that a number was changed nor that none "
            "was. Verify it with the release that made it, or bundle the experiment anew after "
            "extending it here"
        )


def verify(bundle: bytes) -> Verification:
    """Recompute a bundle's numbers from its rows.

    Where the test rows of variants differ it is never verified; all other differences of a bundle
    of another version may come from the version. Raises Invalid `bundle_damaged` where a byte has
    changed, or where it is no bundle.
    """
    files = _opened(bundle)
    version = files["experiment.json"]["curve"].get("statistics_version")
    rows, numbers = _differences(files)
    verdict = Verdict.VERIFIED
    if rows or numbers:
        is_other = version != STATISTICS_VERSION and not rows
        verdict = Verdict.OTHER_VERSION if is_other else Verdict.DIFFERS
    return Verification(verdict, (*rows, *numbers), version)


def _differences(files: Json) -> tuple[list[str], list[str]]:
    """Return where test rows differ between variants, and where numbers do not follow from them."""
    experiment, spec = files["experiment.json"], ExperimentSpec.model_validate(files["job.json"])
    scored = [each for each in experiment["variants"] if each["score"] is not None]
    rows = {each["name"]: files[f"{each['evaluation']}.rows.json"] for each in scored}
    most = max((len(found) for found in rows.values()), default=0)
    full = {name: found for name, found in rows.items() if len(found) == most}
    scores = [
        difference
        for each in scored
        for difference in _scores(
            each["name"], files[f"{each['evaluation']}.json"]["metrics"], rows[each["name"]]
        )
    ]
    return list(_different_rows(full)), [*scores, *_conclusions(files, full, spec=spec)]


def _opened(bundle: bytes) -> dict[str, Any]:
    body, comment = bundle[:-_DIGEST_LENGTH], bundle[-_DIGEST_LENGTH:]
    if hashlib.sha256(body).hexdigest().encode() != comment:
        message = "the bundle is damaged: its digest is not that of its bytes"
        raise Invalid(message, code="bundle_damaged")
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".json")]
        return {name: json.loads(archive.read(name)) for name in names}


def _different_rows(rows: Mapping[str, Sequence[Json]]) -> Iterator[str]:
    """Yield the variants whose test rows are not those of the first one."""
    asked = {
        name: [(row["example_id"], row["group"], row["references"]) for row in found]
        for name, found in rows.items()
    }
    first = next(iter(asked), "")
    for name, each in asked.items():
        if each != asked[first]:
            yield f"{name}: its test rows are not those of {first}"


def _scores(name: str, scores: Sequence[Json], rows: Sequence[Json]) -> Iterator[str]:
    """Yield where an evaluation's scores are not those of its rows."""
    for stated in scores:
        scorer = Scorer(stated["metric"], references=(row["references"] for row in rows))
        spec = find_score(stated["metric"])
        scorer.take([_given(row, spec) if spec.is_given else _scored(row) for row in rows])
        found = scorer.score()
        for field in _SCORED:
            yield from _unequal(
                f"{name} {stated['metric']} {field}", stated[field], getattr(found, field)
            )


def _scored(row: Json) -> Scored:
    return Scored(
        example_id=row["example_id"],
        outcome=Outcome(row["outcome"]),
        prediction=row["answer"],
        references=tuple(row["references"]),
        group=row["group"],
        raw=raw_answer(row),
        text=bare_input(row["input"]),
        rejected=row.get("rejected") or "",
    )


def _given(row: Json, spec: MetricSpec) -> Scored:
    """Return a row with its given score in place of the answer."""
    value = row["scores"].get(spec.name)
    outcome = Outcome.FAILED if value is None else Outcome.OK
    text = given_text(value, spec=spec)
    return replace(_scored(row), outcome=outcome, prediction=text, raw=text)


def _conclusions(
    files: Json, rows: Mapping[str, Sequence[Json]], *, spec: ExperimentSpec
) -> Iterator[str]:
    """Yield where curve, comparisons, decision and answer do not follow from the rows."""
    experiment = files["experiment.json"]
    metric = find_score(experiment["metric"])
    groups = [row["group"] for row in next(iter(rows.values()))]
    known = len(groups)
    analysis = analyse(
        metric.name,
        [
            _point(
                each,
                metric.name,
                files.get(f"{each['evaluation']}.json"),
                rows=known,
                spec=spec,
            )
            for each in experiment["variants"]
        ],
        [_variant_scores(name, metric.name, found) for name, found in rows.items()],
        test=shared_rows(groups, spec=metric),
        costs={name: _cost(each) for name, each in experiment["curve"]["costs"].items()},
        spec=spec,
    )
    yield from _different_curve(experiment["curve"], analysis_json(analysis))
    yield from _unequal("answer", experiment["answer"], answer(analysis))


def _different_curve(given: Json, found: Json) -> Iterator[str]:
    """Yield where a curve is not the one that was found, or holds what no curve may hold."""
    try:
        stated = {**_as_shown(given), "statistics_version": STATISTICS_VERSION}
        yield from _unequal("curve", stated, _as_shown(found))
    except ValidationError as error:
        yield from (f"curve.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())


def _as_shown(curve: Json) -> Json:
    """Return a curve with the defaults of what bundles of earlier versions do not say."""
    return ExperimentCurve.model_validate(curve).model_dump(mode="json")


def _point(
    variant: Json, metric: str, evaluation: Json | None, *, rows: int, spec: ExperimentSpec
) -> Point:
    """Return a variant's point, by the score of its evaluation where it has one."""
    scores = evaluation["metrics"] if evaluation else ()
    score: Json = next((each for each in scores if each["metric"] == metric), {})
    asked = variant["test_rows"]
    return Point(
        name=variant["name"],
        kind=VariantKind(variant["kind"]),
        train_size=variant["train_size"],
        value=score.get("value"),
        low=score.get("low"),
        high=score.get("high"),
        coverage=score.get("coverage") or 0.0,
        n=score.get("n") or 0,
        worst=score.get("worst"),
        best=score.get("best"),
        groups=score.get("groups"),
        configuration=variant_configuration(variant.get("hyperparameters")) if spec.sweep else "",
        epochs=variant.get("epochs"),
        replicate=variant.get("replicate") or 0,
        stopped_after=asked if spec.racing and asked is not None and asked < rows else None,
        base_model=variant["base_model"] if spec.tune_models and variant["train_size"] else "",
    )


def _variant_scores(name: str, metric: str, rows: Sequence[Json]) -> VariantScores:
    spec = find_score(metric)
    references = [golds_of(row, spec=spec) for row in rows]
    measure = spec.measure(references)
    predictions = [raw_answer(row) if spec.reads_raw else row["answer"] for row in rows]
    answered = [row["outcome"] == Outcome.OK for row in rows]
    if spec.is_given:
        given = [row["scores"].get(metric) for row in rows]
        predictions = [given_text(each, spec=spec) for each in given]
        answered = [each is not None for each in given]
    return VariantScores(
        name,
        measure.statistics(predictions, references),
        np.array(answered),
        measure.worst(references),
        measure.best(references),
    )


def _cost(stated: Json) -> VariantCost:
    calls, tuning = (stated[name] and parse_dollars(stated[name]) for name in _PRICES)
    latency = stated.get("latency_ms")  # bundles of earlier versions have none
    return VariantCost(stated["prompt_tokens"], stated["output_tokens"], calls, tuning, latency)


def _unequal(where: str, stated: Any, found: Any) -> Iterator[str]:
    """Yield where two values differ, numbers by more than 1e-9."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for name in sorted({*stated, *found}):
            yield from _unequal(f"{where}.{name}", stated.get(name), found.get(name))
    elif isinstance(stated, list) and isinstance(found, list | tuple) and len(stated) == len(found):
        for place, (one, other) in enumerate(zip(stated, found, strict=True)):
            yield from _unequal(f"{where}[{place}]", one, other)
    elif not _is_same(stated, found):
        yield f"{where}: the bundle says {stated!r}, its rows {found!r}"


def _is_same(stated: Any, found: Any) -> bool:
    if isinstance(stated, int | float) and isinstance(found, int | float):
        return math.isclose(stated, found, rel_tol=_CLOSE, abs_tol=_CLOSE)
    return bool(stated == found)


def main(file: str) -> int:
    """Verify a bundle; print what differs, and the verdict last. Return the exit code."""
    try:
        found = verify(Path(file).read_bytes())
    except Invalid as error:
        found = Verification(Verdict.DIFFERS, (str(error),), None)
    shown = () if found.verdict is Verdict.OTHER_VERSION else found.differences
    sys.stdout.write("\n".join([*shown, found.words]) + "\n")
    return _EXIT_CODES[found.verdict]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
