"""Whether the base models of an experiment may be tuned and compared as it asks. Pure."""

from collections.abc import Sequence

from service.catalogue.catalogue import Catalogue
from service.catalogue.checks import check_base_model, check_location, check_region
from service.errors import Fault, Invalid
from service.experiments.hyperparameter_sweep import configurations_of
from service.experiments.schemas import ExperimentSpec
from service.tuning.inputs.checks import check_hyperparameters
from service.tuning.schemas import HyperparametersSpec


def check_models(spec: ExperimentSpec, base_model: str, *, catalogue: Catalogue) -> bool:
    """Return whether a base model is used that is unlisted, as the spec allows; `base_model` is the
    experiment's own.

    Raises Invalid for a model that stands twice, and what the checks of the catalogue raise.
    """
    configurations = configurations_of(spec.sweep, spec.hyperparameters)
    unlisted = _check_tuned(spec, base_model, configurations, pointer="/spec", catalogue=catalogue)
    for place, base in enumerate(spec.tune_models):
        pointer = f"/spec/tune_models/{place}"
        _require_another(base.base_model, base_model, pointer=f"{pointer}/base_model")
        unlisted |= _check_tuned(
            spec, base.base_model, [base.hyperparameters], pointer=pointer, catalogue=catalogue
        )
    for place, name in enumerate(spec.compare_models):
        pointer = f"/spec/compare_models/{place}"
        _require_another(name, base_model, pointer=pointer)
        allowed = spec.allow_unlisted_model
        unlisted |= check_base_model(catalogue, name, allow_unlisted=allowed, pointer=pointer)
    return unlisted


def _check_tuned(
    spec: ExperimentSpec,
    base_model: str,
    configurations: Sequence[HyperparametersSpec],
    *,
    pointer: str,
    catalogue: Catalogue,
) -> bool:
    name = f"{pointer}/base_model"
    unlisted = check_base_model(
        catalogue, base_model, tunes=True, allow_unlisted=spec.allow_unlisted_model, pointer=name
    )
    if not unlisted:
        check_region(catalogue, base_model, pointer=name)
        check_location(catalogue, base_model, compares=True, pointer=name)
        for each in configurations:
            place = f"{pointer}/hyperparameters"
            check_hyperparameters(catalogue, base_model, each, method=spec.method, pointer=place)
    return unlisted


def _require_another(name: str, own: str, *, pointer: str) -> None:
    if name == own:
        message = "this base model is compared anyway; leave it out"
        fault = Fault(pointer, "base_models_repeated", message)
        raise Invalid(message, code="base_models_repeated", faults=[fault])
