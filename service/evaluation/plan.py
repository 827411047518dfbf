"""The plan of an evaluation: its dataset, target, shots and price, and the requests they make."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from service.catalogue.prices import CallPrice
from service.database import Session
from service.datasets.examples import Example, Split, user_turn
from service.datasets.queries import DatasetView, ready_dataset, stream_examples
from service.errors import Conflict, Fault, Invalid
from service.evaluation import repository
from service.evaluation.ports import EvaluationServices, Target
from service.evaluation.schemas import EvaluateSpec, VariantKind
from service.inference.cache import CacheRules
from service.inference.ports import GenerationRequest, Turn
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
        row = repository.get(session, run.outputs["evaluation"], project_id=run.project_id)
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


def choose_shots(train: Sequence[Example], k: int, *, seed: int) -> tuple[Example, ...]:
    """Return `k` examples of the training split, the same for the same seed and examples.

    Examples come in the order of a hash of seed and id, whatever their order in `train`. Each
    next one is the first of the groups used least so far, and among those of the labels used
    least; so the shots for `k` begin the shots for `k + 1`.
    Raises Invalid when `k` is negative or more than there are.
    """
    if not 0 <= k <= len(train):
        message = f"{k} shots were asked for; the training split has {len(train)} examples"
        fault = Fault("/spec/shots", "too_few_examples", message)
        raise Invalid(message, code="too_few_examples", faults=[fault])
    rest = sorted(train, key=lambda example: _order(example.id, seed=seed))
    groups: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    chosen: list[Example] = []
    for _ in range(k):
        best = min(rest, key=lambda each: (groups[each.group], labels[each.label]))
        rest.remove(best)
        groups[best.group] += 1
        labels[best.label] += 1
        chosen.append(best)
    return tuple(chosen)


def _order(example_id: str, *, seed: int) -> tuple[bytes, str]:
    return hashlib.sha256(f"{seed}:{example_id}".encode()).digest(), example_id


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


def conversation(
    instruction: str, example: Example, *, shots: Sequence[Example] = ()
) -> tuple[Turn, ...]:
    """Return the turns that ask for an example's answer; the last one is the user's.

    Without shots they are the very words a tuned model was trained on: the example's history,
    then instruction and text. Shots stand first, each by its last turns, and the instruction
    once, in the first of them.
    """
    texts = [*(shot.text for shot in shots), example.text]
    history = (Turn(turn.role, turn.text) for turn in example.history)
    texts[0] = user_turn(instruction, texts[0])
    questions = [Turn("user", words) for words in texts]
    answers = [Turn("model", shot.target) for shot in shots]
    pairs = zip(questions, answers, strict=False)  # the last question has no answer yet
    return (*(turn for pair in pairs for turn in pair), *history, questions[-1])


def request_key(example_id: str, sample: int) -> str:
    """Return the key of a request: it names the example and the sample."""
    return f"{example_id}/{sample}"


def parse_key(key: str) -> tuple[str, int]:
    """Return the example and the sample that a request's key names."""
    example_id, _, sample = key.rpartition("/")
    return example_id, int(sample)
