"""Tuning a tuned model further: which model is meant, and what the new one is called."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from emulator.catalogue import MODELS
from emulator.projects import project_number
from emulator.tuning.examples import Example
from emulator.tuning.records import Tuning

FindTuning = Callable[[str], Tuning | None]
"""Returns the tuning behind a model's full name, version included or not."""


class UnfitParentError(ValueError):
    """The model named cannot be tuned further here; the text says why."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A tuned model to go on from, and how many passes its checkpoint has had."""

    tuning: Tuning
    checkpoint_id: str
    epochs: int


def choose_parent(name: str, checkpoint_id: str, *, find: FindTuning, location: str) -> Parent:
    """Return the model of a name (project number or id) and its checkpoint, by default the last.

    Raises UnfitParentError for a model or checkpoint that is not there or is served elsewhere.
    """
    head, _, rest = name.removeprefix("projects/").partition("/")
    tuning = find(f"projects/{project_number(head)}/{rest}")
    if tuning is None:
        raise UnfitParentError("tuned_model_name names a tuned model that was not found.")
    if MODELS[tuning.base_model].tuned_location(location) != tuning.model_location:
        raise UnfitParentError(f"tuned_model_name names a model that is not tuned in {location}.")
    ids = {str(number): epoch for number, epoch in enumerate(tuning.checkpoints, start=1)}
    chosen = checkpoint_id or list(ids)[-1]
    if chosen not in ids:
        raise UnfitParentError(f"checkpoint_id must be one of {', '.join(ids)}.")
    return Parent(tuning, chosen, tuning.epochs_before + ids[chosen])


def model_of_child(
    parent: Tuning, *, display_name: str, versions: Iterable[int], new_id: str
) -> tuple[str, int]:
    """Return model id and version: the parent's next one, or a model of its own by another name."""
    if display_name and display_name != parent.display_name:
        return new_id, 1
    return parent.model_id, max(versions, default=0) + 1


def join_examples(files: Sequence[Sequence[Example]]) -> list[Example]:
    """Return the rows of all files, oldest file first; a prompt's newest file alone has a say."""
    joined: list[Example] = []
    later: set[str] = set()
    for examples in reversed(files):
        joined = [example for example in examples if example.prompt not in later] + joined
        later |= {example.prompt for example in examples}
    return joined
