"""Every variant on one task of labels, through the whole service."""

import html
import json
from typing import Any

import pytest

from service.errors import Invalid
from service.evaluation.metrics.registry import METRICS
from service.evaluation.models import ScoreRow
from service.evaluation.queries import confusion_of, get_evaluation
from service.experiments.queries import get_experiment
from service.inference.ledger import cost_of_job
from service.inference.ports import EVALUATION_SERVICE
from service.tuning.ports import NOT_OBSERVED
from tests.support.stack import Stack

pytestmark = pytest.mark.journey

LABELS = ["late parcel", "wrong invoice"]
WORDS = ("kettle", "lamp", "saddle", "ticket", "ladder", "window", "carpet", "router", "engine")


def content() -> bytes:
    """Texts that name their label's words, or not: the base model knows about half of them."""
    clues = {"late parcel": ("parcel", "delivery"), "wrong invoice": ("invoice", "amount")}
    rows = [
        {"text": f"the {words[at % 2]} of my {one} and {other} {at}", "label": label}
        for at, (one, other) in enumerate((a, b) for a in WORDS for b in WORDS if a != b)
        for label, words in clues.items()
    ]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def prepared(stack: Stack) -> dict[str, Any]:
    file_id = stack.upload(content(), name="rows.jsonl", file_format="jsonl")
    return {
        "preset": "classification",
        "labels": LABELS,
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": [20],
        "test_size": 40,
        "near_duplicates": None,
    }


def test_prompted_reasoned_controlled_and_tuned_variants_stand_side_by_side(stack: Stack) -> None:
    spec = {
        "prepare": prepared(stack),
        "shots": 2,
        "shot_selection": "nearest",
        "chain_of_thought": True,
        "tuned_shots": 2,
        "compare_models": ["gemini-3.5-flash"],
    }

    job = stack.succeeded(stack.submit("experiment", spec).id)

    variants = stack.variants(job)
    assert list(variants) == [
        "zero-shot",
        "few-shot (2)",
        "chain-of-thought",
        "gemini-3.5-flash: zero-shot",
        "gemini-3.5-flash: few-shot (2)",
        "gemini-3.5-flash: chain-of-thought",
        "tuned@20",
        "tuned@20 + 2 shots",
    ]
    assert {view.coverage for view in variants.values()} == {1.0}
    scores = {name: view.score or 0 for name, view in variants.items()}
    # The rules of the base model are the same whether it reasons or not; tuning learns the rest.
    assert scores["chain-of-thought"] == scores["zero-shot"] < scores["tuned@20"]
    assert variants["tuned@20"].model == variants["tuned@20 + 2 shots"].model
    row, _ = get_evaluation(
        variants["zero-shot"].evaluation,
        project_id=stack.project_id,
        sessions=stack.services.sessions,
    )
    matrix = confusion_of(row.id, project_id=stack.project_id, sessions=stack.services.sessions)
    assert matrix.labels == LABELS
    assert sum(cell.rows for cell in matrix.cells) == 40

    _controlled_answers_are_labels(stack, row.dataset_id)
    _confidence_has_three_sources(stack, row.dataset_id)
    _vertex_scores_as_we_do(stack, row.dataset_id)
    _a_model_judges_by_a_rubric(stack, row.dataset_id)
    _failures_stay_within_the_bounds(stack, row.dataset_id)


def _controlled_answers_are_labels(stack: Stack, dataset: str) -> None:
    spec = {"dataset": dataset, "variant": "zero_shot", "controlled": True, "instruction": "Hm."}
    job = stack.succeeded(stack.submit("evaluate", spec).id)
    row, scores = get_evaluation(
        job.outputs["evaluation"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    assert row.setup is not None
    assert row.setup["decoding"]["response_format"]["responseSchema"]["enum"] == LABELS
    assert "outside_labels" not in {each["code"] for each in row.findings or ()}
    assert scores[0].coverage == 1


def _confidence_has_three_sources(stack: Stack, dataset: str) -> None:
    spec = {
        "dataset": dataset,
        "variant": "zero_shot",
        "samples": 3,
        "temperature": 1.0,
        "logprobs": True,
        "verbal": {"repeats": 2},
    }
    stack.mark()
    job = stack.succeeded(stack.submit("evaluate", spec).id)
    row, _ = get_evaluation(
        job.outputs["evaluation"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    found = {each["source"]: each for each in row.confidence or ()}
    assert list(found) == ["vote", "verbal", "logprob"]
    assert {each["rows"] for each in found.values()} == {40}
    assert all(0 <= each["ece"] <= 1 for each in found.values())
    # The base model knows which labels it has words for, and which it guesses.
    assert found["logprob"]["auroc"] > 0.6
    assert found["verbal"]["judge"]["retest_kappa"] == 1.0
    assert stack.spent("calls_accepted") == 40 * (3 + 2)


def _vertex_scores_as_we_do(stack: Stack, dataset: str) -> None:
    spec = {
        "dataset": dataset,
        "variant": "zero_shot",
        "metrics": ["exact_match"],
        "vertex_metrics": ["exact_match"],
    }
    job = stack.succeeded(stack.submit("evaluate", spec).id)
    _, scores = get_evaluation(
        job.outputs["evaluation"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    ours, theirs = scores
    assert (ours.metric, theirs.metric) == ("exact_match", "vertex_exact_match")
    assert (theirs.value, theirs.low, theirs.n) == (ours.value, ours.low, ours.n)
    with stack.services.sessions.reading() as session:
        cost = cost_of_job(session, job.id)
    assert cost["unpriced"] == [EVALUATION_SERVICE]
    assert cost["actual"] is None


def _a_model_judges_by_a_rubric(stack: Stack, dataset: str) -> None:
    """The emulator's base model goes by the reference: right answers get the best grade."""
    judge = {
        "model": "gemini-3.5-flash",
        "rubric": "Name what is wrong.",
        "allow_same_family": True,
    }
    spec = {"dataset": dataset, "variant": "zero_shot", "metrics": ["accuracy"], "judge": judge}
    stack.mark()
    job = stack.succeeded(stack.submit("evaluate", spec).id)
    row, scores = get_evaluation(
        job.outputs["evaluation"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    by_metric, by_judge = scores
    assert by_judge.metric == "judge_score"
    assert (by_metric.value or 0) <= (by_judge.value or 0) < 100
    assert by_judge.coverage == 1
    assert row.judge is not None
    assert row.judge["retest_kappa"] == 1.0
    assert stack.spent("calls_accepted") == 2 * 40


def _failures_stay_within_the_bounds(stack: Stack, dataset: str) -> None:
    clean = _scores_of(stack, dataset)
    missing = 0
    for seed in range(3):
        # One prompt in twenty comes to nothing, cut off in thoughts or refused, however often sent.
        stack.emulator.configure(seed=seed, thinking_rate=0.03, safety_rate=0.02)
        try:
            damaged = _scores_of(stack, dataset)
        finally:
            stack.emulator.configure(seed=0, thinking_rate=0, safety_rate=0)
        assert damaged.keys() == clean.keys()
        for name, score in damaged.items():
            value = clean[name].value
            assert value is not None
            if score.n == score.rows:
                assert score.value == value
                continue
            assert score.worst is not None
            assert score.best is not None
            low, high = sorted((score.worst, score.best))
            assert low - 1e-9 <= value <= high + 1e-9, name
        missing += sum(score.rows - score.n for score in damaged.values())
    assert missing


def _scores_of(stack: Stack, dataset: str) -> dict[str, ScoreRow]:
    metrics = [spec.name for spec in METRICS.values() if not spec.reads_rejected]
    spec = {"dataset": dataset, "variant": "zero_shot", "cache": False, "metrics": metrics}
    job = stack.succeeded(stack.submit("evaluate", spec).id)
    _, scores = get_evaluation(
        job.outputs["evaluation"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    return {score.metric: score for score in scores}


def test_an_experiment_tunes_by_preference_and_its_report_says_that_none_was_seen(
    stack: Stack,
) -> None:
    texts = {"WARM": "a splendid and happy day", "COLD": "a dreadful and sorry day"}
    rows = [
        {"prompt": f"note {at * 37}: {said}", "chosen": label, "rejected": other}
        for at in range(60)
        for (label, said), other in zip(texts.items(), reversed(texts), strict=True)
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file_id = stack.upload(content, name="pairs.jsonl", file_format="jsonl")
    prepare = {
        "preset": "generic",
        "form": "preference",
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": [10, 20, 40],
        "test_size": 20,
        "near_duplicates": None,
    }
    spec = {
        "prepare": prepare,
        "method": "preference",
        "base_model": "gemini-2.5-flash",
        "allow_unlisted_model": True,
        "hyperparameters": {"epochs": 3, "beta": 0.2},
        "shots": 0,
        "final": True,
    }
    with pytest.raises(Invalid) as no_pairs:
        stack.submit("experiment", spec | {"prepare": prepare | {"form": "messages"}})
    assert no_pairs.value.code == "pairs_required"
    with pytest.raises(Invalid) as other_model:
        stack.submit("experiment", spec | {"base_model": "gemini-3.1-flash-lite"})
    assert other_model.value.code == "method_not_available"

    job = stack.succeeded(stack.submit("experiment", spec).id)

    variants = stack.variants(job)
    assert list(variants) == ["zero-shot", "tuned@10", "tuned@20", "tuned@40"]
    assert {view.metric for view in variants.values()} == {"chosen_over_rejected"}
    assert (variants["tuned@40"].score or 0) > (variants["zero-shot"].score or 0)
    tunings = [each for each in stack.children(job.id) if each.kind == "tune"]
    assert [each.spec["method"] for each in tunings] == ["preference"] * 4  # the final one, too
    row, _ = get_experiment(
        job.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    page = b"".join(stack.services.store.chunks(row.report_key or "")).decode()
    assert NOT_OBSERVED in html.unescape(page)
