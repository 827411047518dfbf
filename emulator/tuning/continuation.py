"""Continuous tuning: the tuned model it starts from, and the name of the new one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from emulator.catalogue import MODELS
from emulator.resources import with_project_number
from emulator.tuning.records import Tuning

FindTuning = Callable[[str], Tuning | None]
"""Returns the tuning behind a model's full name, version included or not."""


class UnfitParentError(ValueError):
    """The named model cannot be tuned further here; the text says why."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The tuned model that a continuous tuning starts from, and the epochs of its checkpoint."""

    tuning: Tuning
    checkpoint_id: str
    epochs: int


def choose_parent(name: str, checkpoint_id: str, *, find: FindTuning, location: str) -> Parent:
    """Return the model of a name (project number or id) and its checkpoint, by default the last.

    Raises UnfitParentError for a model or checkpoint that is not there or is served elsewhere.
    """
    tuning = find(with_project_number(name))
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
