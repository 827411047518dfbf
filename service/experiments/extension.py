"""Extension of an experiment: sizes and variants are added, all the rest is used again.

The whole spec of what an extension compares is written into its job, so it runs, is estimated and
verified as any experiment. Identical tunings and answers are used again (decisions 0025 and 0018),
so that only what is new is paid for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from service.database import Session, Sessions
from service.datasets.queries import DatasetView, ready_dataset
from service.errors import Conflict, Fault, Invalid, NotFound
from service.experiments import repository
from service.experiments.models import Experiment
from service.experiments.schemas import ExperimentSpec
from service.experiments.variants import Variant, plan_variants, train_sizes_of, variants_of
from service.jobs.queries import spec_of

_MODELS = ("compare_models", "tune_models")
# What an extension may set: it adds variants, or reads the same scores in another way.
_ADDED = frozenset(
    {
        "extend",
        "name",
        "train_sizes",
        "shots",
        "chain_of_thought",
        "optimised_prompt",
        "tuned_shots",
        "compare_models",
        "tune_models",
        "replicates",
        "replicate_by",
        "sweep",
        "label_errors",
        "final",
        "tolerance",
        "worthwhile_gain",
        "label_price",
        "extrapolation",
    }
)


def extended_spec(spec: BaseModel, *, project_id: str, sessions: Sessions) -> BaseModel:
    """Return the whole spec of an extension, and any other spec as it is.

    What it does not set is that of the experiment it extends; `train_sizes`, `compare_models` and
    `tune_models` are added to those. Sizes that the dataset has no files of are prepared anew, from
    the same source.

    Raises NotFound `experiment_not_found`, Conflict `not_ready`, and Invalid
    `extension_changes_experiment` where it would leave out or change what was compared.
    """
    if not isinstance(spec, ExperimentSpec) or spec.extend is None or _is_whole(spec):
        return spec
    with sessions.reading() as session:
        row = _ready(session, spec.extend, project_id)
        before = ExperimentSpec.model_validate(spec_of(session, row.job_id))
        dataset = ready_dataset(row.dataset_id or "", project_id=project_id, session=session)
        prepared = spec_of(session, dataset.job_id)
    _require_additions(spec, before)
    asked = spec.model_dump(include=spec.model_fields_set - {"train_sizes", *_MODELS})
    fields = before.model_dump(exclude={"prepare", "dataset", "train_sizes"}) | asked
    fields |= {
        "fresh": False,
        **{name: list(_joined(getattr(before, name), getattr(spec, name))) for name in _MODELS},
        **_data(spec, before, dataset, prepared),
    }
    whole = _validated(fields)
    _require_all(whole, before, dataset, sizes=_sizes(spec, before, dataset))
    return whole


def _joined(before: Sequence[Any], added: Sequence[Any]) -> dict[Any, None]:
    return dict.fromkeys([*before, *added])


def _is_whole(spec: ExperimentSpec) -> bool:
    return spec.prepare is not None or spec.dataset is not None


def _ready(session: Session, experiment_id: str, project_id: str) -> Experiment:
    try:
        row = repository.get(session, experiment_id, project_id=project_id)
    except NotFound as error:
        fault = Fault("/spec/extend", "experiment_not_found", error.message)
        raise NotFound(error.message, code="experiment_not_found", faults=[fault]) from error
    if row.ready_at is None:
        message = f"{experiment_id} is not ready; an extension starts where an experiment has ended"
        raise Conflict(message, code="not_ready")
    return row


def _require_additions(spec: ExperimentSpec, before: ExperimentSpec) -> None:
    """Refuse what would ask or tune the variants that are there in another way."""
    changed = [
        name
        for name in sorted(spec.model_fields_set - _ADDED)
        if getattr(spec, name) != getattr(before, name)
    ]
    faults = [
        _changes(f"/spec/{name}", f"`{name}` is another one in {spec.extend}: leave it out")
        for name in changed
    ]
    if not before.cache:
        words = f"{spec.extend} has kept no answers (`cache: false`), so all would be paid again"
        faults.append(_changes("/spec/extend", words))
    if faults:
        raise Invalid(faults[0].message, code="extension_changes_experiment", faults=faults)


def _data(
    spec: ExperimentSpec,
    before: ExperimentSpec,
    dataset: DatasetView,
    prepared: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the dataset of the extension: the same one, or a new one with more train sizes."""
    sizes = _sizes(spec, before, dataset)
    if set(sizes) <= set(dataset.train_sizes):
        return {"dataset": dataset.id, "train_sizes": sizes}
    return {"prepare": {**prepared, "train_sizes": sizes}}


def _sizes(spec: ExperimentSpec, before: ExperimentSpec, dataset: DatasetView) -> list[int]:
    """Return the sizes that were compared, and those that are added."""
    return sorted({*train_sizes_of(before, dataset), *spec.train_sizes})


def _validated(fields: Mapping[str, Any]) -> ExperimentSpec:
    try:
        return ExperimentSpec.model_validate(fields)
    except ValidationError as error:
        words = [str(each["ctx"].get("error", each["msg"])) for each in error.errors()]
        faults = [_changes("/spec", each) for each in words]
        raise Invalid(faults[0].message, code=faults[0].code, faults=faults) from error


def _require_all(
    whole: ExperimentSpec, before: ExperimentSpec, dataset: DatasetView, *, sizes: list[int]
) -> None:
    """Refuse an extension without some variant that is there."""
    planned = {_identity(each) for each in plan_variants(sizes, whole)}
    there = variants_of(before, dataset)
    lost = [each.name for each in there if _identity(each) not in planned]
    if lost:
        message = (
            f"an extension keeps every variant, and this one would leave out {', '.join(lost)}: "
            "submit a new experiment"
        )
        raise Invalid(
            message,
            code="extension_changes_experiment",
            faults=[_changes("/spec/extend", message)],
        )


def _identity(variant: Variant) -> tuple[object, ...]:
    """Return what distinguishes variants, apart from their names."""
    return variant.kind, variant.shots, variant.base_model, variant.tuning


def _changes(pointer: str, message: str) -> Fault:
    return Fault(pointer, "extension_changes_experiment", message)
