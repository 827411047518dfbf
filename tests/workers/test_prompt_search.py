"""The search for the best prompt, through the whole service, on a task with a planted hint."""

import json
from datetime import datetime
from typing import Any

import pytest

from service.datasets.examples import Split
from service.datasets.queries import examples_key_of, stream_examples
from service.evaluation import answer_repository
from service.evaluation.models import Evaluation
from service.evaluation.prompts import Round, keep_best, plan_rounds, read_proposal
from service.evaluation.queries import get_evaluation
from service.evaluation.schemas import EvaluateSpec
from service.experiments.queries import get_experiment
from service.jobs.models import Job
from tests.support.eventually import eventually
from tests.support.stack import Stack
from tests.workers.test_crashes import accepted_at_rest

LABELS = ["amber", "cobalt"]
WORDS = ("kettle", "lamp", "saddle", "ticket", "ladder", "window", "carpet", "router", "engine")
NAIVE = "Classify the text. Labels: amber, cobalt"
PLANTED = (
    "Texts that mention a parcel or a delivery are amber.\n"
    f"Texts that mention an invoice or an amount are cobalt.\n{NAIVE}"
)
BUDGET = 400


def content() -> bytes:
    """Texts whose words say nothing of the names of their labels: only a hint can."""
    clues = {"amber": ("parcel", "delivery"), "cobalt": ("invoice", "amount")}
    rows = [
        {"text": f"the {words[at % 2]} of my {one} and {other} {at}", "label": label}
        for at, (one, other) in enumerate((a, b) for a in WORDS for b in WORDS if a != b)
        for label, words in clues.items()
    ]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@pytest.fixture(scope="module")
def dataset(running_stack: Stack) -> str:
    file_id = running_stack.upload(content(), name="rows.jsonl", file_format="jsonl")
    prepare = {
        "preset": "classification",
        "labels": LABELS,
        "source": {"type": "file", "file_id": file_id},
        "train_sizes": [20],
        "validation_size": 30,
        "test_size": 40,
        "near_duplicates": None,
    }
    job = running_stack.succeeded(running_stack.submit("prepare", prepare).id)
    return job.outputs["dataset"]


def evaluation_of(stack: Stack, evaluation_id: str) -> tuple[Evaluation, float]:
    row, scores = get_evaluation(
        evaluation_id, project_id=stack.project_id, sessions=stack.services.sessions
    )
    return row, scores[0].value or 0


@pytest.mark.journey
def test_the_planted_instruction_is_found_within_the_budget_and_test_rows_come_last(
    stack: Stack, dataset: str
) -> None:
    naive = stack.succeeded(
        stack.submit("evaluate", {"dataset": dataset, "variant": "zero_shot"}).id
    )
    search = {
        "instructions": [NAIVE, f"{NAIVE}. Think of the colour.", PLANTED],
        "proposals": 1,
        "shots": [0, 2],
        "calls": BUDGET,
    }
    stack.mark()

    spec = {"dataset": dataset, "variant": "optimised_prompt", "search": search}
    job = stack.succeeded(stack.submit("evaluate", spec).id)

    row, score = evaluation_of(stack, job.outputs["evaluation"])
    assert row.prompt_search is not None
    assert row.prompt_search["instruction"] == PLANTED
    assert row.setup is not None
    assert row.setup["instruction"] == PLANTED
    assert score > evaluation_of(stack, naive.outputs["evaluation"])[1] + 20
    tried = row.prompt_search["tried"]
    assert sum(each["rows"] for each in tried) + 1 <= BUDGET
    # What an earlier round has asked comes from the cache: the search takes fewer calls.
    assert stack.spent("calls_accepted") <= BUDGET + 40
    _assert_test_rows_come_last(stack, dataset, row, [each["evaluation"] for each in tried])


def stored_answers(stack: Stack, job: Job) -> int:
    """Return how many answers the trials of a search have stored."""
    trials = [child.outputs["evaluation"] for child in stack.children(job.id)]
    with stack.services.sessions.reading() as session:
        return sum(answer_repository.count_answers(session, each) for each in trials)


def _assert_test_rows_come_last(
    stack: Stack, dataset: str, row: Evaluation, trials: list[str]
) -> None:
    services = stack.services
    key = examples_key_of(dataset, project_id=stack.project_id, sessions=services.sessions)
    ids = {
        split: [each.id for each in stream_examples(key, split, store=services.store)]
        for split in (Split.VALIDATION, Split.TEST)
    }
    with services.sessions.reading() as session:

        def asked(evaluation: str, split: Split) -> list[datetime]:
            found = answer_repository.samples_of(session, evaluation, ids[split])
            return [each.created_at for samples in found.values() for each in samples]

        assert not any(asked(each, Split.TEST) for each in trials)
        before = max(at for each in trials for at in asked(each, Split.VALIDATION))
        assert before <= min(asked(row.id, Split.TEST))
        assert not asked(row.id, Split.VALIDATION)


@pytest.mark.journey
def test_a_search_whose_workers_die_continues_and_pays_for_nothing_twice(
    stack: Stack, dataset: str
) -> None:
    stack.emulator.configure(latency_seconds=0.4)
    search = {"instructions": [NAIVE, "Amber or cobalt? Classify.", PLANTED], "calls": BUDGET}
    spec = {"dataset": dataset, "variant": "optimised_prompt", "search": search, "seed": 7}
    job = stack.submit("evaluate", {**spec, "cache": False})
    eventually(lambda: stack.spent("calls_accepted") > 10, what="no trial is asked yet")
    for worker in stack.workers:
        worker.kill()
    accepted_at_rest(stack)
    unstored = stack.spent("calls_accepted") - stored_answers(stack, job)
    stack.emulator.configure(latency_seconds=0)
    stack.start_workers()

    stack.succeeded(job.id)

    row, _ = evaluation_of(stack, job.outputs["evaluation"])
    assert row.prompt_search is not None
    assert row.prompt_search["instruction"] == PLANTED
    asked = sum(each["rows"] for each in row.prompt_search["tried"])
    assert asked <= BUDGET
    # All that was asked, and once more what was under way when the workers died.
    assert asked + 40 <= stack.spent("calls_accepted") <= asked + 40 + unstored


@pytest.mark.journey
def test_an_experiment_compares_tuning_with_the_best_prompt_that_was_found(
    stack: Stack, dataset: str
) -> None:
    search = {"instructions": [PLANTED], "calls": BUDGET}
    spec = {"dataset": dataset, "shots": 0, "optimised_prompt": search}

    job = stack.succeeded(stack.submit("experiment", spec).id)

    variants = stack.variants(job)
    [best] = [each for each in variants.values() if each.kind == "optimised_prompt"]
    assert (best.score or 0) > (variants["zero-shot"].score or 0) + 20
    row, _ = evaluation_of(stack, best.evaluation)
    assert row.prompt_search is not None
    assert row.prompt_search["instruction"] == PLANTED
    experiment, _ = get_experiment(
        job.outputs["experiment"], project_id=stack.project_id, sessions=stack.services.sessions
    )
    assert experiment.curve is not None
    assert experiment.curve["decision"]["best_prompt"] == best.name
    compared = {
        frozenset((each["first"], each["second"])) for each in experiment.curve["comparisons"]
    }
    assert frozenset(("tuned@20", best.name)) in compared


@pytest.mark.journey
def test_a_search_without_calls_enough_is_refused(stack: Stack, dataset: str) -> None:
    search: dict[str, Any] = {"instructions": [NAIVE, PLANTED], "calls": 2}
    spec = {"dataset": dataset, "variant": "optimised_prompt", "search": search}

    job = stack.ended(stack.submit("evaluate", spec).id)

    assert job.error is not None
    assert job.error["code"] == "prompt_not_searchable"


def test_each_round_asks_half_as_many_prompts_more_rows() -> None:
    assert plan_rounds(8, rows=1000, calls=240) == (Round(8, 10), Round(4, 20), Round(2, 40))
    assert plan_rounds(5, rows=1000, calls=90) == (Round(5, 6), Round(3, 10), Round(2, 15))
    assert plan_rounds(2, rows=10, calls=1000) == (Round(2, 10),)
    assert plan_rounds(1, rows=10, calls=1000) == ()
    assert plan_rounds(8, rows=10, calls=7) == ()


def test_the_best_are_kept_and_of_equals_the_earlier() -> None:
    assert keep_best([50, None, 70, 70], keep=2, higher_is_better=True) == [2, 3]
    assert keep_best([50, 50, 70], keep=2, higher_is_better=False) == [0, 1]
    assert keep_best([None, 1], keep=1, higher_is_better=True) == [1]


def test_a_proposal_may_stand_in_a_fence() -> None:
    assert read_proposal("```\nDo it.\n```") == "Do it."
    assert read_proposal("x" * 30_000) == ""


def test_a_search_goes_with_its_variant_alone() -> None:
    data = "ds_01jd5v3q0e8k3v7m2x9y4z6abc"
    for spec in (
        {"dataset": data, "variant": "optimised_prompt"},
        {"dataset": data, "variant": "zero_shot", "search": {}},
    ):
        with pytest.raises(ValueError, match="goes with the variant"):
            EvaluateSpec.model_validate(spec)
