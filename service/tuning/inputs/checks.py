"""What is known of a base model against what a tuning asks of it, before anything is sent. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from service.catalogue.catalogue import Catalogue
from service.catalogue.entry import Limits, ModelEntry
from service.catalogue.locations import location_of
from service.errors import Fault, Invalid
from service.tuning.inputs.settings import TuningSettings
from service.tuning.ports import TuningMethod
from service.tuning.schemas import HyperparametersSpec

CONTINUOUS = "continuous"
_HYPERPARAMETERS = "/spec/hyperparameters"


def check_settings(
    catalogue: Catalogue, settings: TuningSettings, *, continues: bool = False
) -> None:
    """Raise Invalid with a fault for each setting that the base model is known not to have, naming
    what it has; `continues` is of a tuning of a tuned model that may still be in the making.
    """
    entry = catalogue.entry(settings.base_model)
    _raise_for(
        [
            *_method_faults(
                entry, settings.method, continues=continues or settings.continue_from is not None
            ),
            *_hyperparameter_faults(entry, settings.hyperparameters, settings.method),
            *_place_faults(entry, settings, place=catalogue.places.tuning),
        ]
    )


def check_hyperparameters(
    catalogue: Catalogue,
    base_model: str,
    hyperparameters: HyperparametersSpec,
    *,
    method: TuningMethod,
    pointer: str = _HYPERPARAMETERS,
) -> None:
    """Raise Invalid where the base model is not tuned so, or has no such hyperparameters."""
    entry = catalogue.entry(base_model)
    hyperparameter_faults = _hyperparameter_faults(entry, hyperparameters, method, pointer=pointer)
    _raise_for([*_method_faults(entry, method), *hyperparameter_faults])


def check_rows(
    catalogue: Catalogue, settings: TuningSettings, *, splits: Mapping[str, Mapping[str, Any]]
) -> None:
    """Raise Invalid where the rows of a finished dataset are more than the base model takes."""
    limits = catalogue.entry(settings.base_model).limits
    rows = int((splits.get("validation") or {}).get("rows") or 0) if settings.validation else 0
    _raise_for([*_row_faults(limits, settings, validation_rows=rows)])


def _raise_for(faults: list[Fault]) -> None:
    if faults:
        message = "; ".join(fault.message for fault in faults)
        raise Invalid(message, code=faults[0].code, faults=faults)


def _method_faults(
    entry: ModelEntry, method: TuningMethod, *, continues: bool = False
) -> Iterator[Fault]:
    known = entry.tuning.methods
    words = f"{entry.name} is known to be tuned by {', '.join(known)}"
    if method not in known:
        yield Fault("/spec/method", "method_not_available", f"{words}, not by {method}")
    if continues and CONTINUOUS not in known:
        message = f"{words}: models tuned from it are not tuned further"
        yield Fault("/spec/continue_from", "method_not_available", message)


def _hyperparameter_faults(
    entry: ModelEntry,
    asked: HyperparametersSpec,
    method: TuningMethod,
    *,
    pointer: str = _HYPERPARAMETERS,
) -> Iterator[Fault]:
    sizes, size = entry.tuning.adapter_sizes, asked.adapter_size
    if size is not None and size not in sizes:
        known = ", ".join(map(str, sizes))
        message = f"{entry.name} has no adapter of size {size}; it has: {known}"
        yield Fault(f"{pointer}/adapter_size", "adapter_size_not_available", message)
    if asked.beta is not None and method is not TuningMethod.PREFERENCE:
        message = "`beta` is of preference tuning: leave it out, or set `method` to `preference`"
        yield Fault(f"{pointer}/beta", "beta_not_used", message)


def _place_faults(entry: ModelEntry, settings: TuningSettings, *, place: str) -> Iterator[Fault]:
    key, regions = settings.kms_key_name, entry.tuning.evaluation_regions
    if key is not None and entry.tuning.cmek is False:
        message = f"tunings of {entry.name} take no key of your own (CMEK): leave it out"
        yield Fault("/spec/kms_key_name", "cmek_not_available", message)
    elif key is not None and location_of(key) != place:
        message = f"the key is in {location_of(key)}, and tunings run in {place}; use a key there"
        yield Fault("/spec/kms_key_name", "key_elsewhere", message)
    if settings.evaluation is None:
        return
    if settings.method is TuningMethod.PREFERENCE:
        message = "checkpoints of preference tuning are not evaluated by the provider: leave it out"
        yield Fault("/spec/evaluation", "evaluation_not_available", message)
    if regions is not None and place not in regions:
        known = ", ".join(regions) or "no region"
        message = f"checkpoints of {entry.name} are evaluated in {known}, not in {place}"
        yield Fault("/spec/evaluation", "evaluation_not_available", message)
    if not settings.validation:
        message = "checkpoints are evaluated on the validation rows: leave `validation` on"
        yield Fault("/spec/evaluation", "evaluation_not_available", message)


def _row_faults(
    limits: Limits, settings: TuningSettings, *, validation_rows: int
) -> Iterator[Fault]:
    size, most = settings.train_size, limits.training_rows
    if size > most:
        message = f"{settings.base_model} is tuned on at most {most} rows, not on {size}"
        yield Fault("/spec/train_size", "too_many_rows", message)
    free = max(limits.validation_rows_free, round(limits.validation_share * size))
    most = min(limits.validation_rows, free)
    if validation_rows > most:
        message = (
            f"the dataset has {validation_rows} validation rows, and a tuning on {size} takes at "
            f"most {most}: prepare it with fewer, or set `validation` to false"
        )
        yield Fault("/spec/validation", "too_many_validation_rows", message)
