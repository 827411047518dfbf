"""The overfitting finding: on curves by hand, and on what the emulator's learner truly learns."""

from collections.abc import Sequence
from random import Random

import pytest

from service.database import Sessions
from service.files.operations import create_file
from service.tuning.curve_schemas import Inconclusive
from service.tuning.curves.overfitting import (
    Curve,
    find_overfitting,
    why_inconclusive,
)
from service.tuning.queries import model_with_tuning
from service.tuning.schemas import present_model
from tests.service.tuning.conftest import LIMITS, Tuning, prepare, store, tuning_of
from tests.support.emulator import EmulatorProcess
from tests.support.runs import add_project

WORDS = (
    "red", "blue", "green", "fast", "slow", "happy", "sad", "tall", "short", "old", "new", "warm",
    "cold", "bright", "dark", "loud",
)  # fmt: skip
FALLING = [1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03]


def curve(losses: Sequence[float]) -> Curve:
    return list(enumerate(losses, start=1))


@pytest.mark.parametrize(
    ("train", "validation", "best"),
    [
        (FALLING, [1.1, 0.9, 0.8, 0.85, 0.9, 0.97, 1.05, 1.1, 1.2, 1.3], 3),
        (FALLING, [0.8, 0.85, 0.9, 0.97, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5], 1),
        (FALLING, [1.1, 0.9, 0.8, 0.75, 0.72, 0.7, 0.69, 0.69, 0.68, 0.68], None),  # still falls
        (FALLING, [1.1, 0.9, 0.8, 0.81, 0.8, 0.82, 0.81, 0.81, 0.82, 0.82], None),  # a plateau
        (FALLING, [1.1, 0.8, 1.0, 0.75, 1.0, 0.7, 1.1, 0.8, 1.0, 0.9], None),  # noise
        (FALLING, [1.1, 0.9, 0.8, 0.75, 0.7, 0.68, 0.66, 0.65, 1.2, 1.3], None),  # too short
        (FALLING[::-1], [1.1, 0.9, 0.8, 0.85, 0.9, 0.97, 1.05, 1.1, 1.2, 1.3], None),  # diverges
        (FALLING[:4], [0.7, 0.8, 0.9, 1.0], None),  # too few
        ([], [1.1, 0.9, 0.8, 0.85, 0.9, 0.97, 1.05, 1.1, 1.2, 1.3], None),
    ],
)
def test_only_a_lasting_rise_above_the_noise_is_overfitting(
    train: Sequence[float], validation: Sequence[float], best: int | None
) -> None:
    found = find_overfitting(curve(train), curve(validation))
    assert (found.best_step if found else None) == best
    if found:
        assert found.last_gap > found.best_gap
        assert found.rise > 0


@pytest.mark.parametrize(
    ("validation", "why"),
    [
        ([1.1, 0.9, 0.8], Inconclusive.TOO_FEW_POINTS),
        ([0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3], None),  # short, and overfitted past any doubt
        ([1.1, 0.9, 0.8, 0.75, 0.72, 0.7, 0.69], Inconclusive.TOO_FEW_POINTS),
        ([1.1, 0.9, 0.8, 0.75, 0.72, 0.7, 0.69, 0.68], None),
        ([], Inconclusive.NO_VALIDATION),
    ],
)
def test_curves_too_short_to_tell_overfitting_say_so(
    validation: Sequence[float], why: Inconclusive | None
) -> None:
    assert why_inconclusive(curve(FALLING[: len(validation)]), curve(validation)) is why


def rows(count: int, *, noise: float) -> bytes:
    """Return CSV whose label follows from one word, but for a share of labels drawn at random."""
    random = Random(1)  # noqa: S311  nothing secret
    lines = ["text,sentiment"]
    for number in range(count):
        words = [random.choice(WORDS) for _ in range(8)]
        label = "positive" if "happy" in words else "negative"
        if random.random() < noise:
            label = random.choice(["positive", "negative"])
        lines.append(f"{' '.join(words)} {number},{label}")
    return "\n".join(lines).encode()


def tuned(
    sessions: Sessions,
    emulator: EmulatorProcess,
    *,
    train_size: int,
    noise: float,
    epochs: int,
    multiplier: float,
) -> Tuning:
    """Tune on a dataset of its own to the end, with its training curves read."""
    project_id = add_project(sessions)
    file = create_file(
        [rows(train_size + 240, noise=noise)],
        name="rows.csv",
        format="csv",
        digest=None,
        project_id=project_id,
        sessions=sessions,
        store=store(),
        limits=LIMITS,
    )
    prepared = prepare(
        sessions,
        project_id,
        preset="sentiment",
        source={"type": "file", "file_id": file.id},
        train_sizes=[train_size],
        test_size=20,
        validation_size=120,
    )
    hyperparameters = {"epochs": epochs, "learning_rate_multiplier": multiplier}
    tuning = tuning_of(
        prepared,
        sessions=sessions,
        emulator=emulator,
        url=emulator.url,
        train_size=train_size,
        hyperparameters=hyperparameters,
    )
    tuning.step()
    tuning.poll_until_ended()
    tuning.read_metrics()
    tuning.step()
    return tuning


@pytest.fixture
def _bucket(emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)


@pytest.mark.usefixtures("_bucket")
def test_many_epochs_on_few_noisy_rows_raise_the_finding(
    sessions: Sessions, emulator: EmulatorProcess
) -> None:
    tuning = tuned(sessions, emulator, train_size=40, noise=0.6, epochs=20, multiplier=0.3)
    (event,) = tuning.events("model.overfitting")
    row, record = model_with_tuning(
        tuning.run.outputs["model"], project_id=tuning.run.project_id, sessions=sessions
    )
    shown = present_model(row, job=None, tuning=record).overfitting
    assert shown is not None
    assert event["model"] == row.id
    assert event["overfitting"] == shown.model_dump()
    assert shown.last_loss > shown.best_loss
    assert shown.last_gap > shown.best_gap


@pytest.mark.usefixtures("_bucket")
def test_a_healthy_tuning_raises_nothing(sessions: Sessions, emulator: EmulatorProcess) -> None:
    tuning = tuned(sessions, emulator, train_size=300, noise=0.0, epochs=8, multiplier=1.0)
    assert tuning.events("model.overfitting") == []
    row, _ = model_with_tuning(
        tuning.run.outputs["model"], project_id=tuning.run.project_id, sessions=sessions
    )
    assert row.overfitting is None
