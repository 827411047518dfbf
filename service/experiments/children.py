"""The child jobs of an experiment: one for each tuning and evaluation, all written at once."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from service.database import Session
from service.datasets.examples import Split
from service.datasets.queries import DatasetView
from service.datasets.schemas import PrepareSpec
from service.errors import Internal
from service.evaluation.generation_schemas import GenerationConfig
from service.evaluation.schemas import EvaluateSpec, VariantKind
from service.evaluation.setup_schemas import BEST_CHECKPOINT
from service.experiments import repository
from service.experiments.decisions.laps import laps
from service.experiments.models import Experiment, VariantRow
from service.experiments.queries import given_dataset
from service.experiments.schemas import ExperimentSpec
from service.experiments.variants import (
    LabelCheck,
    TrainingSet,
    Variant,
    label_checks,
    training_sets,
    variants_of,
)
from service.ids import Prefix, new_id
from service.jobs.operations import Request, reserve_ids, write_job
from service.jobs.ports import (
    JobKinds,
    JobRecord,
    JobRun,
    JobServices,
)
from service.jobs.queries import spec_of
from service.tuning.schemas import TuneSpec

_NO_SETS: Mapping[TrainingSet, DatasetView] = MappingProxyType({})


def write_children(run: JobRun, row: Experiment, *, jobs: JobServices) -> Sequence[JobRecord]:
    """Write every child with its reserved output in one transaction: all of them or none.

    Where datasets are to be made whose test rows must be compared first, these are those datasets
    alone (`prepared_variants` has the rest).
    """
    spec = ExperimentSpec.model_validate(run.spec)
    with jobs.sessions.reading() as session:
        dataset = given_dataset(session, spec, run.project_id)
        prepared = spec_of(session, dataset.job_id) if dataset else None
    others = training_sets(variants_of(spec, dataset))
    if not others and (spec.extend is None or spec.prepare is None):
        return write_variants(run, row, spec, dataset, kinds=jobs.kinds)
    prepare = spec.prepare or PrepareSpec.model_validate(prepared)
    with run.fenced() as session:
        writer = ChildWriter(session, run, jobs.kinds)
        dataset_id = dataset.id if dataset else writer.add("prepare", prepare, "dataset")
        for each in others:
            writer.add("prepare", _prepared_otherwise(prepare, each, spec), each.label)
        repository.get(session, row.id, project_id=run.project_id).dataset_id = dataset_id
    return writer.jobs


def _prepared_otherwise(
    prepare: PrepareSpec, rows: TrainingSet, spec: ExperimentSpec
) -> PrepareSpec:
    """Return the spec of a dataset with the same splits, other instructions and training rows."""
    update: dict[str, Any] = {"train_order": prepare.train_order + rows.subset}
    if rows.prompt and spec.sweep:
        update["instruction"] = spec.sweep.prompts[rows.prompt - 1]
    return prepare.model_copy(update=update)


def write_variants(
    run: JobRun,
    row: Experiment,
    spec: ExperimentSpec,
    dataset: DatasetView | None,
    *,
    sets: Mapping[TrainingSet, DatasetView] = _NO_SETS,
    kinds: JobKinds,
) -> Sequence[JobRecord]:
    """Write the jobs of all variants, and of the dataset where it is still to be made; `sets` are
    the datasets that tunings take their rows from.
    """
    variants = variants_of(spec, dataset)
    first_lap = _first_lap(spec, dataset)
    with run.fenced() as session:
        writer = ChildWriter(session, run, kinds)
        dataset_id = dataset.id if dataset else writer.add("prepare", spec.prepare, "dataset")
        tuned: dict[object, VariantRow] = {}
        for position, variant in enumerate(variants):
            added = _add_variant(
                writer, spec, row, variant, dataset_id,
                rows=sets.get(variant.training_set), tuned=tuned, first_lap=first_lap,
            )  # fmt: skip
            added.position = position
            repository.add(session, added)
        for check in label_checks(variants, spec):
            model_id = tuned[check.variant.tuning].model_id
            asked = _evaluate_spec(spec, row, check.variant, dataset_id, model_id)
            writer.add("evaluate", asked.model_copy(update=_rows_of(check)), check.name)
        repository.get(session, row.id, project_id=run.project_id).dataset_id = dataset_id
    return writer.jobs


def _first_lap(spec: ExperimentSpec, dataset: DatasetView | None) -> int | None:
    """Return how many rows tuned variants are asked at first; None where they are asked all."""
    rows = spec.prepare.test_size if spec.prepare else 0
    if dataset is not None:
        rows = int(dataset.splits[Split.TEST.value]["rows"])
    return laps(rows)[0] if spec.racing and len(laps(rows)) > 1 else None


class ChildWriter:
    """Writes the children of one experiment inside one transaction."""

    def __init__(self, session: Session, run: JobRun, kinds: JobKinds) -> None:
        self._session, self._run, self._kinds = session, run, kinds
        self.jobs: list[JobRecord] = []

    def add(self, kind_name: str, spec: BaseModel | None, label: str) -> str:
        """Write one child and return the id of its output."""
        if spec is None:
            raise Internal(f"a child of kind {kind_name} needs a spec")
        kind = self._kinds[kind_name]
        request = Request(
            kind=kind_name,
            spec=spec,
            labels={**self._run.labels, "variant": label},
            project_id=self._run.project_id,
        )
        submission = reserve_ids(request, kind, parent_id=self._run.id)
        job, _ = write_job(self._session, submission, kind=kind)
        self.jobs.append(job)
        return submission.outputs[kind.output]


def _add_variant(
    writer: ChildWriter,
    spec: ExperimentSpec,
    row: Experiment,
    variant: Variant,
    dataset_id: str,
    *,
    rows: DatasetView | None,
    tuned: dict[object, VariantRow],
    first_lap: int | None,
) -> VariantRow:
    """Write the jobs of a variant; those of one tuning share its model, found in `tuned`. Its rows
    come from `rows`, or from the experiment's own dataset.
    """
    model_id, tune_job_id = None, None
    if variant.tuning in tuned:
        shared = tuned[variant.tuning]
        model_id, tune_job_id = shared.model_id, shared.tune_job_id
    elif variant.train_size is not None:
        tune = _tune_spec(spec, row, rows.id if rows else dataset_id, variant)
        model_id = writer.add("tune", tune, variant.name)
        tune_job_id = writer.jobs[-1].id
    evaluate = _evaluate_spec(spec, row, variant, dataset_id, model_id)
    if model_id:
        evaluate = evaluate.model_copy(update={"last_row": first_lap})
    if rows and variant.hyperparameters.prompt:
        evaluate = evaluate.model_copy(update={"instruction": rows.instruction})
    evaluation_id = writer.add("evaluate", evaluate, variant.name)
    added = VariantRow(
        id=new_id(Prefix.VARIANT),
        experiment_id=row.id,
        name=variant.name,
        kind=variant.kind.value,
        base_model=variant.base_model,
        shots=variant.shots,
        train_size=variant.train_size,
        hyperparameters=variant.hyperparameters.model_dump(exclude_none=True),
        replicate=variant.replicate,
        model_id=model_id,
        tune_job_id=tune_job_id,
        evaluation_id=evaluation_id,
        evaluate_job_id=writer.jobs[-1].id,
    )
    if variant.tuning is not None:
        tuned[variant.tuning] = added
    return added


def _calls(spec: ExperimentSpec, variant: Variant) -> dict[str, Any]:
    """Return how rows are put to the model: log-probabilities do not go with reasoning."""
    calls = {name: getattr(spec, name) for name in GenerationConfig.model_fields}
    searches = variant.kind is VariantKind.OPTIMISED_PROMPT
    return calls | {
        "logprobs": spec.logprobs and not variant.kind.reasons,
        "search": spec.optimised_prompt if searches else None,
    }


def _evaluate_spec(
    spec: ExperimentSpec, row: Experiment, variant: Variant, dataset_id: str, model_id: str | None
) -> EvaluateSpec:
    return EvaluateSpec(
        dataset=dataset_id,
        variant=variant.kind,
        model=model_id,
        base_model=variant.base_model or row.base_model,
        shots=variant.shots,
        checkpoint=BEST_CHECKPOINT if model_id and spec.checkpoint == BEST_CHECKPOINT else None,
        metrics=(spec.metric,) if spec.metric else (),
        **_calls(spec, variant),
    )


def _rows_of(check: LabelCheck) -> dict[str, Any]:
    """Return what differs from the variant's own evaluation; the last checkpoint, no judges."""
    rows = {"first_row": check.first_row, "last_row": check.last_row}
    return {
        "split": "train",
        "checkpoint": None,
        "verbal": None,
        "judge": None,
        **rows,
    }


def _tune_spec(
    spec: ExperimentSpec, row: Experiment, dataset_id: str, variant: Variant
) -> TuneSpec:
    return TuneSpec(
        dataset=dataset_id,
        train_size=variant.train_size or 0,
        base_model=variant.base_model or row.base_model,
        method=spec.method,
        hyperparameters=variant.hyperparameters.shared,
        replicate=variant.replicate,
        provider=variant.provider,
        local=variant.local,
        fresh=spec.fresh,
        allow_unlisted_model=spec.allow_unlisted_model,
    )
