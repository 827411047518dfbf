"""The plan of an evaluation: its dataset, target, shots and price, and the requests they make."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from service.catalogue.prices import CallPrice
from service.database import Session
from service.datasets.examples import Example, Split
from service.datasets.queries import DatasetView, ready_dataset, stream_examples
from service.errors import Conflict
from service.evaluation.ports import EvaluationServices, Target
from service.evaluation.prompts import VariantKind, choose_shots, conversation
from service.evaluation.queries import require_evaluation
from service.evaluation.schemas import EvaluateSpec
from service.inference.cache import CacheRules
from service.inference.ports import GenerationRequest
from service.jobs.lifecycle import OPEN
from service.jobs.ports import JobRun
from service.jobs.queries import job_states
from service.storage.ports import ObjectStore

_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """All that determines the requests of an evaluation, but for its rows.

    `price` is the one of calls online, None where it is not known; `cache` is None where neither
    the service nor the job caches answers.
    """

    evaluation_id: str
    spec: EvaluateSpec
    dataset: DatasetView
    target: Target
    shots: tuple[Example, ...] = ()
    price: CallPrice | None = None
    cache: CacheRules | None = None
    unlisted_model: bool = False

    @property
    def rows(self) -> int:
        return int(self.dataset.splits[self.spec.split]["rows"])

    @property
    def requests(self) -> int:
        return self.rows * self.spec.samples

    @property
    def split(self) -> Split:
        return Split(self.spec.split)


def plan_evaluation(
    run: JobRun, spec: EvaluateSpec, *, services: EvaluationServices
) -> EvaluationPlan | None:
    """Return the plan of the run's evaluation; None when the evaluation is complete.

    Raises InputNotReady, and Conflict when the job that the evaluation belongs to has ended.
    """
    calls = services.calls
    with services.sessions.reading() as session:
        row = require_evaluation(session, run.outputs["evaluation"], run.project_id)
        if row.ready_at is not None:
            return None
        dataset = ready_dataset(spec.dataset, project_id=run.project_id, session=session)
        target = _target(session, run, spec, base_model=row.base_model, services=services)
    if job_states([row.job_id], sessions=services.sessions).get(row.job_id) not in OPEN:
        raise Conflict(f"{row.job_id} has ended", code="evaluation_ended")
    return EvaluationPlan(
        evaluation_id=row.id,
        spec=spec,
        dataset=dataset,
        target=target,
        shots=shots_of(spec, dataset, store=services.store),
        price=calls.catalogue.price_of_calls(
            target.base_model, location=target.location, tuned=target.tuned
        ),
        cache=calls.cache if spec.cache else None,
        unlisted_model=row.unlisted_model,
    )


def _target(
    session: Session,
    run: JobRun,
    spec: EvaluateSpec,
    *,
    base_model: str,
    services: EvaluationServices,
) -> Target:
    catalogue = services.calls.catalogue
    if spec.model is None:
        location = catalogue.serving_location(base_model)
        settings = catalogue.entry(base_model).call_settings
        return Target(base_model, base_model, location, settings=settings)
    model = services.find_model(spec.model, project_id=run.project_id, session=session)
    settings = catalogue.entry(model.base_model).call_settings
    return Target(model.endpoint, model.base_model, model.location, tuned=True, settings=settings)


def shots_of(
    spec: EvaluateSpec, dataset: DatasetView, *, store: ObjectStore
) -> tuple[Example, ...]:
    """Return the shots of a few-shot evaluation, chosen from the training split alone."""
    if spec.variant is not VariantKind.FEW_SHOT:
        return ()
    key = dataset.examples_key
    # The choice needs no texts, and a training split may be as large as memory.
    train = [_without_texts(example) for example in stream_examples(key, Split.TRAIN, store=store)]
    chosen = choose_shots(train, spec.shots, seed=spec.seed)
    places = {shot.id: place for place, shot in enumerate(chosen)}
    found = (each for each in stream_examples(key, Split.TRAIN, store=store) if each.id in places)
    return tuple(sorted(islice(found, len(places)), key=lambda shot: places[shot.id]))


def _without_texts(example: Example) -> Example:
    return Example(
        example.id, "", "", (), group=example.group, row=example.row, label=example.label
    )


def requests_of(examples: Iterable[Example], plan: EvaluationPlan) -> Iterator[GenerationRequest]:
    """Yield the requests of examples: one for each sample, each with a seed of its own."""
    spec, target = plan.spec, plan.target
    for example in examples:
        contents = conversation(plan.dataset.instruction, example, shots=plan.shots)
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
