"""What tunings cost: estimated at submission, held while they run, entered when they end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from service.catalogue.catalogue import Catalogue
from service.catalogue.local_names import is_local
from service.catalogue.prices import UsageTotals
from service.database import Session
from service.datasets.queries import DatasetView, instruction_tokens, ready_dataset, typical_tokens
from service.inference.budget_guard import reserve_ahead
from service.inference.ledger import record_usage
from service.jobs.budgets import settle_ahead
from service.jobs.ports import FREE, Estimate, InputNotReady, JobRun, Submission
from service.tuning.billing.bill import planned_use
from service.tuning.inputs.continuation import continuation_of, parent_of
from service.tuning.inputs.reuse import reusable_tuning, tuning_fingerprint
from service.tuning.inputs.settings import TuningSettings, settings_of
from service.tuning.ports import NOT_OBSERVED, TuningMethod
from service.tuning.schemas import TuneSpec

_LOCAL_HOURS = (
    "how long a local training takes depends on its model and machine: hours leave it out"
)
# Google's own tutorial names about 20 minutes for a small file, the least that is reported.
_LEAST_HOURS = 20 / 60
# One live run is reported: 315 rows for 3 epochs took 36 minutes, queue and deployment included.
_OBSERVED_HOURS, _OBSERVED_ROWS = 36 / 60, 315 * 3
_DAY = 24.0  # a tuning ends within a day as a rule


def estimate_training(
    dataset: DatasetView, settings: TuningSettings, *, catalogue: Catalogue
) -> Estimate:
    """Return what tuning on some examples costs; pure.

    By the tokens of the training file as its report gives them, from low to high, else by the
    typical lengths of texts. Without `epochs` the catalogue's assumption counts, and is
    noted.
    """
    base_model, train_size = settings.base_model, settings.train_size
    epochs = settings.hyperparameters.epochs
    counted = epochs or catalogue.entry(base_model).epochs.assumed_for(train_size)
    low, high = (round(each * counted) for each in _tokens_of_one_pass(dataset, settings))
    cost = catalogue.training_cost(base_model, tokens=(low + high) // 2)
    notes = [] if epochs else [_epochs_note(counted, train_size)]
    if settings.method is TuningMethod.PREFERENCE:
        notes.append(("preference_not_observed", NOT_OBSERVED))
    if cost is None:
        notes.append(("price_unknown", f"no price of training is known for {base_model}"))
    if is_local(base_model):
        notes.append(("local_hours_unknown", _LOCAL_HOURS))
    high_nano = catalogue.training_cost(base_model, tokens=high)
    return Estimate(
        requests=0,
        prompt_tokens=0,
        output_tokens=0,
        training_tokens=(low + high) // 2,
        cost_nano=cost,
        low_nano=catalogue.training_cost(base_model, tokens=low),
        high_nano=high_nano,
        known_nano=cost or 0,
        ahead_nano=high_nano or 0,
        unpriced=() if cost is not None else (base_model,),
        notes=tuple(notes),
        hours=None if is_local(base_model) else _tuning_hours(train_size, epochs=counted),
    )


def _tokens_of_one_pass(dataset: DatasetView, settings: TuningSettings) -> tuple[float, float]:
    """Return about how many tokens of a training file are billed, from low to high.

    Of a pair the prompt is billed twice, and both answers.
    """
    estimate: Mapping[str, Any] = dataset.report.get("cost") or {}
    pairs, size = settings.method is TuningMethod.PREFERENCE, settings.train_size
    for row in estimate.get("preference" if pairs else "rows") or ():
        if row["train_size"] == size:
            return row["tokens_low"] / row["epochs"], row["tokens_high"] / row["epochs"]
    a_row = instruction_tokens(dataset) + sum(
        typical_tokens(dataset, column) for column in ("text", "target")
    )
    billed = float(size * a_row * (2 if pairs else 1))
    return billed, billed


def _epochs_note(assumed: int, train_size: int) -> tuple[str, str]:
    words = f"the provider chooses; {assumed} are assumed for {train_size} examples"
    return "epochs_assumed", f"without `hyperparameters.epochs` {words}"


def estimate_tuning(
    session: Session, submission: Submission, *, base_model: str, catalogue: Catalogue
) -> Estimate:
    """Return what a `tune` job will cost; what is not known yet is None."""
    spec = TuneSpec.model_validate(submission.spec.model_dump())
    parent = parent_of(session, spec, project_id=submission.project_id)
    tuned = parent.base_model if parent else spec.base_model or base_model
    if catalogue.training_cost(tuned, tokens=1) is None:
        note = ("price_unknown", f"no price of training is known for {tuned or 'the base model'}")
        return Estimate(requests=0, unpriced=(tuned,), notes=(note,))
    try:
        dataset = ready_dataset(spec.dataset, project_id=submission.project_id, session=session)
        continued = continuation_of(session, spec, project_id=submission.project_id)
    except InputNotReady:
        words = "an input is still being made: its size is not known yet"
        return Estimate(requests=0, notes=(("dataset_not_ready", words),))
    return estimate_or_reuse(
        session,
        dataset,
        settings_of(spec, base_model=tuned, continue_from=continued),
        fresh=spec.fresh,
        project_id=submission.project_id,
        catalogue=catalogue,
    )


def estimate_or_reuse(
    session: Session,
    dataset: DatasetView,
    settings: TuningSettings,
    *,
    fresh: bool,
    project_id: str,
    catalogue: Catalogue,
) -> Estimate:
    """Return what tuning on some examples costs: nothing where an identical one is used again."""
    if not fresh and str(settings.train_size) in dataset.training_files:
        fingerprint = tuning_fingerprint(dataset, settings, places=catalogue.places)
        found = reusable_tuning(session, fingerprint, project_id=project_id)
        if found is not None:
            return replace(FREE, notes=(_reuse_note(settings.train_size, found.job_id),))
    return estimate_training(dataset, settings, catalogue=catalogue)


def _reuse_note(train_size: int, job_id: str) -> tuple[str, str]:
    words = f"the tuning on {train_size} examples that {job_id} paid for is used again"
    return "tuning_reused", f"{words}; `fresh` tunes and pays anew"


def hold_training(
    run: JobRun, dataset: DatasetView, settings: TuningSettings, *, catalogue: Catalogue
) -> dict[str, Any]:
    """Hold the upper end of the plan for the tuning before it is sent; without a budget
    hold nothing. Return the plan, to be kept with the tuning.

    Raises BudgetExhausted when it does not fit. What was held for a tuning that failed or was
    cancelled stays held: the provider does not report how much of it is billed.
    """
    estimate = estimate_training(dataset, settings, catalogue=catalogue)
    assumed = "".join(f" ({note})" for code, note in estimate.notes if code == "epochs_assumed")
    what = f"a tuning on {settings.train_size} examples{assumed}"
    reserve_ahead(run, estimate.high_nano, what=what)
    assumed_epochs = catalogue.entry(settings.base_model).epochs.assumed_for(settings.train_size)
    epochs = settings.hyperparameters.epochs or assumed_epochs
    return planned_use(estimate, epochs=epochs, examples=settings.train_size)


def enter_training(
    session: Session,
    run: JobRun,
    *,
    base_model: str,
    tokens: int,
    epochs: int | None,
    synthetic: bool,
    catalogue: Catalogue,
) -> None:
    """Enter a finished tuning into the ledger; `tokens` are those of one pass, as billed."""
    trained = tokens * (epochs or 1)
    cost = catalogue.training_cost(base_model, tokens=trained)
    used = UsageTotals(
        training_tokens=trained,
        known_nano=cost or 0,
        synthetic=synthetic,
        unpriced=() if cost is not None else (base_model,),
    )
    record_usage(
        session,
        used,
        project_id=run.project_id,
        job_id=run.id,
        base_model=base_model,
        lane="tuning",
    )
    settle_ahead(session, run.id, cost or 0)


def _tuning_hours(train_size: int, *, epochs: int) -> tuple[float, float]:
    """Return the least and the most hours that a tuning is likely to take.

    The most grows with the rows that are seen, at the pace of the one run that is reported, up to
    a day. Both are second-hand: a plan says hours as a range and promises none.
    """
    seen = train_size * epochs
    most = max(_OBSERVED_HOURS, _OBSERVED_HOURS * seen / _OBSERVED_ROWS)
    return _LEAST_HOURS, min(_DAY, most)
