"""Whether a base model may be used as a job asks: checked when the job is submitted. Pure."""

from collections.abc import Iterator
from datetime import date
from functools import partial

from service.catalogue.catalogue import Catalogue
from service.catalogue.entry import ModelEntry, SettingEffect
from service.errors import Fault, Invalid

UNKNOWN, RETIRED, NOT_TUNABLE = "base_model_unknown", "base_model_retired", "base_model_not_tunable"
POINTER = "/spec/base_model"
_SETTING = "set TUNECURVE_SERVING_LOCATION"


def check_base_model(
    catalogue: Catalogue,
    base_model: str,
    *,
    tunes: bool = False,
    allow_unlisted: bool = False,
    pointer: str = POINTER,
) -> bool:
    """Return True for a model that is only used because `allow_unlisted` says so.

    Raises Invalid `base_model_unknown`, `base_model_retired` or, where the job `tunes` it,
    `base_model_not_tunable`, and names the models that can be used.
    """
    found = _objection(catalogue.entry(base_model), tunes=tunes)
    if found is None or allow_unlisted:
        return found is not None
    code, reason = found
    usable = ", ".join(each.name for each in catalogue if _objection(each, tunes=tunes) is None)
    message = f"{reason}; known: {usable}. `allow_unlisted_model` uses it nevertheless"
    raise Invalid(message, code=code, faults=[Fault(pointer, code, message)])


def check_samples(catalogue: Catalogue, base_model: str, *, samples: int) -> None:
    """Raise Invalid `temperature_ignored` where several samples of the model would be alike."""
    effect = catalogue.entry(base_model).sampling.temperature
    if samples > 1 and effect in {SettingEffect.IGNORED, SettingEffect.REFUSED}:
        message = (
            f"{base_model} takes no notice of the temperature ({effect.value}, says the "
            "catalogue), so several samples say nothing of confidence; use `verbal` or `logprobs`"
        )
        fault = Fault("/spec/samples", "temperature_ignored", message)
        raise Invalid(message, code="temperature_ignored", faults=[fault])


def check_location(
    catalogue: Catalogue, base_model: str, *, compares: bool = False, pointer: str = POINTER
) -> None:
    """Raise Invalid `location_not_served` where the base model does not answer, and, where a job
    `compares` it with models tuned from it, `locations_differ` where those answer elsewhere.
    """
    serving = catalogue.entry(base_model).serving
    called, tuned = catalogue.serving_location(base_model), catalogue.tuned_location(base_model)
    if serving.base and called not in serving.base:
        places = ", ".join(serving.base)
        message = f"{base_model} does not answer at {called}; it does at {places}: {_SETTING}"
        raise _misplaced("location_not_served", message, pointer)
    if compares and called != tuned:
        message = (
            f"{base_model} would be called at {called} and models tuned from it at {tuned}; "
            f"comparisons need one place: {_SETTING}"
        )
        raise _misplaced("locations_differ", message, pointer)


def check_region(catalogue: Catalogue, base_model: str, *, pointer: str = POINTER) -> None:
    """Raise Invalid `region_not_tunable` where the base model is tuned in other regions only."""
    regions, place = catalogue.entry(base_model).tuning.regions, catalogue.places.tuning
    if regions and place not in regions:
        known = ", ".join(regions)
        message = f"{base_model} is tuned in {known}, not in {place}: set TUNECURVE_LOCATION"
        raise _misplaced("region_not_tunable", message, pointer)


def warnings_about(
    catalogue: Catalogue, base_model: str, *, today: date
) -> Iterator[tuple[str, str]]:
    """Yield a code and a sentence for all that speaks against a base model as the default."""
    entry = catalogue.entry(base_model)
    if found := _objection(entry, tunes=True):
        yield found
    elif due := entry.retirement_due(today):
        yield "base_model_retirement_due", f"{base_model} was announced to retire from {due}"
    for check in (check_region, partial(check_location, compares=True)):
        try:
            check(catalogue, base_model)
        except Invalid as error:
            yield error.code, error.message


def _objection(entry: ModelEntry, *, tunes: bool) -> tuple[str, str] | None:
    if not entry.listed:
        return UNKNOWN, f"the base model {entry.name!r} is not in the catalogue"
    if entry.is_retired:
        day = entry.lifecycle and entry.lifecycle.retired
        return RETIRED, f"the base model {entry.name} was retired{f' on {day}' if day else ''}"
    if tunes and not entry.is_tunable:
        return NOT_TUNABLE, f"the base model {entry.name} cannot be tuned"
    return None


def _misplaced(code: str, message: str, pointer: str) -> Invalid:
    return Invalid(message, code=code, faults=[Fault(pointer, code, message)])
