"""The plan of an evaluation: its dataset, target, shots and price, and the requests they make."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from service.catalogue.catalogue import Catalogue
from service.catalogue.checks import check_samples
from service.catalogue.entry import CallSettings
from service.catalogue.prices import CallPrice
from service.database import Session
from service.datasets.examples import Example, Split
from service.datasets.presets.answer_form import AnswerForm
from service.datasets.queries import DatasetView, ready_dataset
from service.errors import Conflict, Fault, Invalid
from service.evaluation import repository
from service.evaluation.answer_repository import samples_of
from service.evaluation.generation_schemas import Thinking
from service.evaluation.models import Evaluation
from service.evaluation.plans.checkpoints import endpoint_of
from service.evaluation.plans.checks import check_compared, check_controlled, check_local
from service.evaluation.plans.estimates import rows_asked
from service.evaluation.plans.shots import NO_SHOTS, FixedShots, Shots, shots_of
from service.evaluation.ports import EvaluationServices, Target
from service.evaluation.prompts import conversation, instruction_of
from service.evaluation.schemas import EvaluateSpec
from service.evaluation.scoring.answer_marks import EXTRACTION
from service.evaluation.scoring.answers import AnswerReader
from service.evaluation.scoring.votes import majority
from service.evaluation.setup_schemas import Decoding, EvaluationSetup
from service.inference.cache import CacheRules
from service.inference.ports import GenerationRequest, Outcome
from service.jobs.lifecycle import OPEN
from service.jobs.ports import JobRun
from service.jobs.queries import job_states

_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Compared:
    """The finished evaluation whose answers a pairwise judge compares others with.

    `reader` reads its answers, and the seed breaks its ties.
    """

    evaluation_id: str
    reader: AnswerReader
    seed: int

    def answers(self, session: Session, ids: Sequence[str]) -> dict[str, str]:
        """Return its answers to the examples of these ids, by id; those that it has."""
        found = {
            example_id: majority(samples, self.reader, seed=self.seed).answer
            for example_id, samples in samples_of(session, self.evaluation_id, ids).items()
        }
        return {name: each.raw for name, each in found.items() if each.outcome is Outcome.OK}


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """All that determines the requests of an evaluation, but for its rows.

    `price` is the one of calls online, None where it is not known; `cache` is None where neither
    the service nor the job caches answers. `families` are those of the judge and of the model that
    answers; empty without a judge. `compared` is None where a judge compares with no evaluation.
    """

    evaluation_id: str
    spec: EvaluateSpec
    dataset: DatasetView
    target: Target
    shots: Shots = NO_SHOTS
    price: CallPrice | None = None
    cache: CacheRules | None = None
    unlisted_model: bool = False
    families: tuple[str, str] = ("", "")
    compared: Compared | None = None

    @property
    def rows(self) -> int:
        return rows_asked(self.dataset, self.spec)

    @property
    def requests(self) -> int:
        return self.rows * self.spec.samples

    @property
    def split(self) -> Split:
        return Split(self.spec.split)

    @property
    def instruction(self) -> str:
        """What the prompts say before shots and text, without what asks for reasoning."""
        if self.target.is_classifier:
            return ""
        own = self.spec.instruction
        return self.dataset.instruction if own is None else own

    @property
    def reader(self) -> AnswerReader:
        return AnswerReader(self.dataset.answer, is_marked=self.spec.variant.reasons)

    @property
    def setup(self) -> EvaluationSetup:
        spec, reader = self.spec, self.reader
        fixed = self.shots.chosen if isinstance(self.shots, FixedShots) else ()
        return EvaluationSetup(
            instruction=instruction_of(self.instruction, reasons=spec.variant.reasons),
            shot_selection=spec.shot_selection if spec.shots else None,
            shot_ids=[shot.id for shot in fixed],
            decoding=_decoding(spec, self.target.settings),
            answers=reader.form.kind.value,
            labels=list(reader.form.labels),
            extraction=EXTRACTION if reader.is_marked else None,
            normalisation=reader.normalisation.name,
            normalisation_steps=list(reader.normalisation.steps),
        )


def _decoding(spec: EvaluateSpec, settings: CallSettings) -> Decoding:
    return Decoding(
        temperature=spec.temperature,
        max_output_tokens=spec.max_output_tokens,
        seed=spec.seed,
        samples=spec.samples,
        thinking=dict(settings.thinking),
        not_sent=sorted(settings.refused),
        response_format=json.loads(settings.response_format) if settings.response_format else None,
    )


def plan_evaluation(
    run: JobRun, spec: EvaluateSpec, *, services: EvaluationServices
) -> EvaluationPlan | None:
    """Return the plan of the run's evaluation; None when the evaluation is complete.

    Raises InputNotReady, Conflict when the job that the evaluation belongs to has ended, and what
    the checks raise.
    """
    calls = services.calls
    with services.sessions.reading() as session:
        row = repository.get(session, run.outputs["evaluation"], project_id=run.project_id)
        if row.ready_at is not None:
            return None
        dataset = ready_dataset(spec.dataset, project_id=run.project_id, session=session)
        target = _target(session, run, spec, row, services=services)
        compared = _compared(session, spec, dataset, project_id=run.project_id)
    if target.is_local:
        check_local(spec, is_classifier=target.is_classifier)
    check_samples(calls.catalogue, target.base_model, samples=spec.samples)
    if job_states([row.job_id], sessions=services.sessions).get(row.job_id) not in OPEN:
        raise Conflict(f"{row.job_id} has ended", code="evaluation_ended")
    return EvaluationPlan(
        evaluation_id=row.id,
        spec=spec,
        dataset=dataset,
        target=replace(target, settings=call_settings(spec, dataset.answer, target.settings)),
        shots=shots_of(spec, dataset, store=services.store),
        price=calls.catalogue.price_of_calls(
            target.base_model, location=target.location, tuned=target.tuned
        ),
        cache=calls.cache if spec.cache and not target.is_local else None,
        unlisted_model=row.unlisted_model,
        families=_families(spec, target, catalogue=calls.catalogue),
        compared=compared,
    )


def _families(spec: EvaluateSpec, target: Target, *, catalogue: Catalogue) -> tuple[str, str]:
    if spec.judge is None:
        return "", ""
    return catalogue.line_of(spec.judge.model), catalogue.line_of(target.base_model)


def _compared(
    session: Session, spec: EvaluateSpec, dataset: DatasetView, *, project_id: str
) -> Compared | None:
    rows = (dataset.id, spec.split)
    if spec.judge is None or spec.judge.against is None:
        return None
    kind = check_compared(session, spec.judge, rows, project_id=project_id)
    reader = AnswerReader(dataset.answer, is_marked=kind.reasons)
    return Compared(spec.judge.against, reader, spec.seed)


def call_settings(spec: EvaluateSpec, form: AnswerForm, model: CallSettings) -> CallSettings:
    """Return what is added to each call; raises what `check_controlled` raises."""
    check_controlled(form, controlled=spec.controlled)
    return replace(
        model,
        thinking=model.thinking if spec.thinking is Thinking.LEAST else (),
        response_format=form.response_format if spec.controlled else "",
        logprobs=spec.logprobs,
    )


def _target(
    session: Session,
    run: JobRun,
    spec: EvaluateSpec,
    row: Evaluation,
    *,
    services: EvaluationServices,
) -> Target:
    base_model = row.base_model
    catalogue = services.calls.catalogue
    if spec.model is None:
        location = catalogue.serving_location(base_model)
        settings = catalogue.entry(base_model).call_settings
        return Target(base_model, base_model, location, settings=settings)
    model = services.find_model(spec.model, project_id=run.project_id, session=session)
    _check_unseen(spec, model.train_size)
    settings = catalogue.entry(model.base_model).call_settings
    return Target(
        endpoint_of(model, spec, row.checkpoint),
        model.base_model,
        model.location,
        tuned=True,
        settings=settings,
        ready_at=model.ready_at,
        is_classifier=model.is_classifier,
    )


def _check_unseen(spec: EvaluateSpec, train_size: int | None) -> None:
    """Raise Invalid `rows_trained_on` where a model would be asked about its training rows."""
    if spec.split == "train" and (train_size is None or spec.first_row < train_size):
        message = (
            f"the model was tuned on the first {train_size} rows; `first_row` is there or after"
        )
        fault = Fault("/spec/first_row", "rows_trained_on", message)
        raise Invalid(message, code="rows_trained_on", faults=[fault])


def requests_of(examples: Iterable[Example], plan: EvaluationPlan) -> Iterator[GenerationRequest]:
    """Yield the requests of examples: one for each sample, each with a seed of its own."""
    spec, target = plan.spec, plan.target
    for example in examples:
        contents = conversation(
            plan.instruction,
            example,
            shots=plan.shots.of(example),
            reasons=spec.variant.reasons,
        )
        for sample in range(spec.samples):
            yield GenerationRequest(
                key=request_key(example.id, sample),
                target=target.name,
                base_model=target.base_model,
                location=target.location,
                contents=contents,
                system=example.system,
                temperature=spec.temperature,
                max_output_tokens=spec.max_output_tokens,
                seed=(spec.seed + sample) % _SEEDS,
                settings=target.settings,
            )


def request_key(example_id: str, sample: int) -> str:
    """Return the key of a request: it names the example and the sample."""
    return f"{example_id}/{sample}"


def parse_key(key: str) -> tuple[str, int]:
    """Return the example and the sample that a request's key names."""
    example_id, _, sample = key.rpartition("/")
    return example_id, int(sample)
