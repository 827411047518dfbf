"""What an experiment will cost: its tunings and evaluations, summed."""

from collections.abc import Iterable
from dataclasses import replace

from service.catalogue.catalogue import Catalogue
from service.database import Session, Sessions
from service.datasets.preview.previews import expected_dataset, sample_source
from service.datasets.preview.schemas import PreparedSample
from service.datasets.queries import DatasetView
from service.datasets.schemas import PrepareSpec
from service.errors import TunecurveError
from service.evaluation.plans.estimates import (
    NOT_READY,
    estimate_calls,
    estimate_search,
    total,
    unpriced,
)
from service.evaluation.schemas import VariantKind
from service.evaluation.setup_schemas import BEST_CHECKPOINT
from service.experiments.queries import given_dataset
from service.experiments.schemas import ExperimentSpec
from service.experiments.variants import (
    FINAL,
    OWN_ROWS,
    Variant,
    label_checks,
    tuned_models_of,
    variants_of,
)
from service.jobs.ports import Estimate, InputNotReady, Submission
from service.storage.ports import ObjectStore
from service.text import counted
from service.tuning.billing.costs import estimate_or_reuse, estimate_training
from service.tuning.inputs.settings import TuningSettings

MOST_CHECKPOINTS = 10  # of one tuning, as Google's page on checkpoints says


def estimate_experiment(
    session: Session,
    submission: Submission,
    *,
    base_model: str,
    catalogue: Catalogue,
) -> Estimate:
    """Return what an `experiment` job will cost with its children; None for what is not known."""
    spec = ExperimentSpec.model_validate(submission.spec.model_dump())
    name = spec.base_model or base_model
    tuned = tuned_models_of(spec, name)
    unknown = [each for each in tuned if not _has_prices(catalogue, each)]
    early = unpriced(unknown[0]) if unknown else NOT_READY
    try:
        dataset = given_dataset(session, spec, submission.project_id)
    except InputNotReady:
        return early
    if dataset is None:
        return replace(early, requests=_requests(spec))
    return _whole(
        _estimates(session, dataset, spec, name, submission.project_id, catalogue=catalogue)
    )


_READ_BY_JOB = (
    "the rows are not on this server and are read by the job alone, so tokens and cost are not "
    "known: run `prepare` first, which costs nothing, and plan with its `dataset`; or upload the "
    "file and name it as the source"
)


def estimate_from_source(
    spec: ExperimentSpec,
    project_id: str,
    *,
    base_model: str,
    catalogue: Catalogue,
    sessions: Sessions,
    store: ObjectStore,
) -> Estimate | None:
    """Return what an experiment costs whose dataset is still to be made, from its first rows.

    None where it makes none. What is wrong with the source is a note in a dry run, and the job
    would fail by it; of a source that only its job reads a note says how to get numbers.
    """
    if spec.prepare is None:
        return None
    try:
        sample = sample_source(spec.prepare, project_id=project_id, sessions=sessions, store=store)
    except TunecurveError as error:
        return Estimate(notes=(("source_not_readable", error.message),))
    if sample is None:
        return Estimate(notes=(("source_read_by_job", _READ_BY_JOB),))
    if not sample.converted:
        return Estimate(notes=tuple(_sample_notes(spec.prepare, sample)))
    dataset, name = expected_dataset(spec.prepare, sample), spec.base_model or base_model
    with sessions.reading() as session:
        found = _whole(_estimates(session, dataset, spec, name, project_id, catalogue=catalogue))
    return replace(found, notes=(*_sample_notes(spec.prepare, sample), *found.notes))


def _sample_notes(spec: PrepareSpec, sample: PreparedSample) -> Iterable[tuple[str, str]]:
    about = "" if sample.rows_exact else "about "
    words = (
        f"estimated from the first {sample.rows_read} of {about}{sample.rows} rows of the source"
    )
    yield "estimated_from_source", words
    refused = ", ".join(f"{code} {rows}" for code, rows in sample.refused.items())
    if refused:
        yield "rows_refused", f"the preparation would fail: of these rows are refused {refused}"
    needed = spec.test_size + spec.validation_size + max(spec.train_sizes)
    if sample.rows < needed:
        asked = counted(needed, "row is", "rows are")
        yield "too_few_rows", f"{asked} asked for, and the source has {about}{sample.rows}"


def _has_prices(catalogue: Catalogue, base_model: str) -> bool:
    """Return whether the base model, its training and the models tuned from it have a price."""
    price = catalogue.entry(base_model).prices
    return price is not None and None not in (price.training, price.tuned_factor)


def _requests(spec: ExperimentSpec) -> int | None:
    if spec.prepare is None:
        return None
    variants = variants_of(spec, None)
    checked = sum(each.last_row - each.first_row for each in label_checks(variants, spec))
    return (len(variants) * spec.prepare.test_size + checked) * spec.samples


def _estimates(
    session: Session,
    dataset: DatasetView,
    spec: ExperimentSpec,
    base_model: str,
    project_id: str,
    *,
    catalogue: Catalogue,
) -> Iterable[tuple[str, Estimate]]:
    """Yield the estimate of each variant, labelled with its name: its tuning, once, and calls."""
    tuned = set()
    variants, test_rows = variants_of(spec, dataset), int(dataset.splits["test"]["rows"])
    for variant in variants:
        name = variant.base_model or base_model
        own = [_calls(dataset, spec, variant, name, rows=test_rows, catalogue=catalogue)]
        if variant.tuning is not None and spec.checkpoint == BEST_CHECKPOINT:
            tried = int(dataset.splits["validation"]["rows"])
            trial = _calls(dataset, spec, variant, name, rows=tried, catalogue=catalogue)
            epochs = variant.hyperparameters.epochs or MOST_CHECKPOINTS
            own += [trial] * min(MOST_CHECKPOINTS, epochs)
        if variant.train_size is not None and variant.tuning not in tuned:
            tuned.add(variant.tuning)
            training = estimate_or_reuse(
                session,
                dataset,
                TuningSettings(
                    name,
                    variant.train_size,
                    variant.hyperparameters.shared,
                    method=spec.method,
                    replicate=variant.replicate,
                    local=variant.local,
                ),
                fresh=spec.fresh or variant.training_set != OWN_ROWS,
                project_id=project_id,
                catalogue=catalogue,
            )
            own.append(training)
        yield variant.name, total(own)
    if spec.final:
        yield FINAL, _dearest_final(dataset, spec, variants, base_model, catalogue=catalogue)
    answers_alone = spec.model_copy(update={"verbal": None, "judge": None})
    for check in label_checks(variants, spec):
        rows = check.last_row - check.first_row
        yield (
            check.name,
            _calls(
                dataset, answers_alone, check.variant, base_model, rows=rows, catalogue=catalogue
            ),
        )


def _dearest_final(
    dataset: DatasetView,
    spec: ExperimentSpec,
    variants: Iterable[Variant],
    base_model: str,
    *,
    catalogue: Catalogue,
) -> Estimate:
    """Return what the final tuning costs at most: which configuration it has is not known yet."""
    tuned = [each for each in variants if each.train_size is not None]
    size = max((*dataset.train_sizes, *(each.train_size or 0 for each in tuned)))
    found = [
        estimate_training(
            dataset,
            TuningSettings(
                each.base_model or base_model,
                size,
                each.hyperparameters.shared,
                method=spec.method,
            ),
            catalogue=catalogue,
        )
        for each in tuned
    ]
    return max(found, key=lambda each: each.high_nano or 0)


def _calls(
    dataset: DatasetView,
    spec: ExperimentSpec,
    variant: Variant,
    base_model: str,
    *,
    rows: int,
    catalogue: Catalogue,
) -> Estimate:
    asked = estimate_calls(
        dataset,
        spec,
        base_model=base_model,
        rows=rows,
        variant=variant.kind,
        shots=variant.shots,
        catalogue=catalogue,
    )
    if variant.kind is not VariantKind.OPTIMISED_PROMPT or spec.optimised_prompt is None:
        return asked
    search = estimate_search(dataset, spec.optimised_prompt, base_model, catalogue=catalogue)
    return total([asked, search])


def _whole(parts: Iterable[tuple[str, Estimate]]) -> Estimate:
    """Return the sum of labelled estimates, which it holds as its parts."""
    known = tuple(parts)
    return replace(total(each for _, each in known), parts=known)
