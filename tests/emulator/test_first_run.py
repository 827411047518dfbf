"""A first run is the same everywhere: another folder, another process, another name of the file."""

from pathlib import Path
from typing import Any

from tests.emulator.examples import ask, create, finish, labelled, order, upload
from tests.support.emulator import start_emulator

CONTENT = labelled(good="GOOD", bad="BAD", count=60)
QUESTIONS = [f"note {at}: a splendid, sorry and dreadful day" for at in range(8)]


def first_run(folder: Path, *, name: str) -> dict[str, Any]:
    """Return all that a tuning has learnt in an emulator of its own, and what it answers."""
    with start_emulator(folder, tuning_seconds=0) as emulator:
        uri = upload(emulator, CONTENT, name=name)
        made = create(emulator, order(uri, epochs=4))
        tuned = finish(emulator, made["name"])
        reported = emulator.request("GET", f"/_emulator/tunings/{made['name'].rpartition('/')[2]}")
        endpoint = tuned["tunedModel"]["endpoint"]
        answers = [ask(emulator, endpoint, question) for question in QUESTIONS]
    for epoch in reported["history"]:
        del epoch["moment"]
    return {name: reported[name] for name in ("head", "seed", "history")} | {"answers": answers}


def test_two_fresh_folders_learn_the_same_to_the_last_digit(tmp_path: Path) -> None:
    one, other = (
        first_run(tmp_path / name, name=f"{name}/rows.jsonl") for name in ("one", "another")
    )

    assert one["history"]
    assert one == other
