"""Evaluations end to end in one process: asked once, in pieces, and scored by the majority."""

import pytest

from service.datasets.examples import Split
from service.datasets.queries import ready_dataset, stream_examples
from service.evaluation.plans.shots import choose_shots, shots_of
from service.evaluation.schemas import EvaluateSpec, VariantKind
from service.inference.governor import LocalGovernor
from service.inference.ports import Quota
from service.jobs.ports import Preempted
from tests.service.evaluation.conftest import ROWS, Room
from tests.support.stored_examples import read_examples


def test_every_sample_is_asked_with_a_seed_of_its_own_and_the_majority_is_the_answer(
    room: Room,
) -> None:
    run = room.reserve(samples=3, temperature=0.5, seed=0)
    evaluation = room.evaluate(run)
    assert {request.seed for request in room.oracle.asked} == {0, 1, 2}
    assert len({(row.example_id, row.sample) for row in room.stored(run)}) == 3 * ROWS
    rows = room.table(evaluation)
    assert {(row["prediction"], row["agreement"], row["samples"]) for row in rows} == {
        ("yes", 2, 3)
    }
    assert [row["position"] for row in rows] == list(range(ROWS))
    assert (evaluation.rows, evaluation.outcomes) == (ROWS, {"ok": ROWS})
    assert evaluation.usage["requests"] == len(room.oracle.asked) == 3 * ROWS
    assert run.progress[-1] == (3 * ROWS, 3 * ROWS, "scoring")


def test_a_preempted_run_continues_later_with_what_is_missing(room: Room) -> None:
    run = room.reserve()
    room.oracle.run, room.oracle.requeue_after = run, 3
    room.governor = LocalGovernor(Quota(requests_per_minute=1200, burst_seconds=0.1))
    with pytest.raises(Preempted):
        room.evaluate(run)
    kept = len(room.stored(run))
    assert 3 <= kept < ROWS
    assert kept == len(room.oracle.asked)
    room.oracle.run, run.preempted = None, False
    room.governor = LocalGovernor(Quota(requests_per_minute=600_000, burst_seconds=1))
    assert room.evaluate(run).rows == ROWS
    assert len(room.oracle.asked) == len({each.key for each in room.oracle.asked}) == ROWS


def test_the_shots_are_those_of_the_whole_training_split(room: Room) -> None:
    with room.sessions.reading() as session:
        view = ready_dataset(room.dataset_id, project_id=room.project_id, session=session)
    train = read_examples(view.examples_key, Split.TRAIN, store=room.store)
    for seed in range(3):
        spec = EvaluateSpec(dataset=view.id, variant=VariantKind.FEW_SHOT, shots=5, seed=seed)
        shots = shots_of(spec, view, store=room.store).of(train[0])
        assert shots == choose_shots(train, 5, seed=seed)
        assert all(shot.text and shot.references for shot in shots)


def test_examples_are_streamed_by_their_positions(room: Room) -> None:
    with room.sessions.reading() as session:
        view = ready_dataset(room.dataset_id, project_id=room.project_id, session=session)
    for split in (Split.TRAIN, Split.TEST):
        whole = read_examples(view.examples_key, split, store=room.store)
        assert list(stream_examples(view.examples_key, split, store=room.store)) == whole
        part = stream_examples(view.examples_key, split, first=3, last=9, store=room.store)
        assert list(part) == whole[3:9]
