"""What is asked of a model for the rows of an evaluation. Pure, but for the choice of shots."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from service.catalogue.entry import NO_SETTINGS, CallSettings
from service.catalogue.prices import CallPrice
from service.datasets.examples import Example, Split
from service.datasets.queries import DatasetView, stream_examples
from service.evaluation.prompts import VariantKind, choose_shots, conversation
from service.evaluation.schemas import EvaluateSpec
from service.inference.ports import GenerationRequest
from service.storage.ports import ObjectStore

_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Target:
    """What the requests of an evaluation go to; `tuned` where that is an endpoint of ours."""

    name: str
    base_model: str
    location: str
    tuned: bool = False
    settings: CallSettings = NO_SETTINGS


@dataclass(frozen=True, slots=True)
class EvaluationPlan:
    """All that makes the requests of an evaluation, but for its rows."""

    evaluation_id: str
    spec: EvaluateSpec
    dataset: DatasetView
    target: Target
    shots: tuple[Example, ...] = ()
    price: CallPrice | None = None

    @property
    def rows(self) -> int:
        return int(self.dataset.splits[self.spec.split]["rows"])

    @property
    def requests(self) -> int:
        return self.rows * self.spec.samples

    @property
    def split(self) -> Split:
        return Split(self.spec.split)


def key_of(example_id: str, sample: int) -> str:
    """Return our name of one request of an evaluation."""
    return f"{example_id}/{sample}"


def parts_of(key: str) -> tuple[str, int]:
    """Return the example and the sample that a key names."""
    example_id, _, sample = key.rpartition("/")
    return example_id, int(sample)


def requests_of(examples: Iterable[Example], plan: EvaluationPlan) -> Iterator[GenerationRequest]:
    """Yield the requests of examples: as many as there are samples, each with a seed of its own."""
    spec, target = plan.spec, plan.target
    for example in examples:
        contents = conversation(plan.dataset.instruction, example, shots=plan.shots)
        for sample in range(spec.samples):
            yield GenerationRequest(
                key=key_of(example.id, sample),
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


def shots_of(
    spec: EvaluateSpec, dataset: DatasetView, *, store: ObjectStore
) -> tuple[Example, ...]:
    """Return the shots of a few-shot evaluation, chosen from the training split alone."""
    if spec.variant is not VariantKind.FEW_SHOT:
        return ()
    key = dataset.examples_key
    # The choice needs no texts, and a training split may be as large as memory.
    train = [_bare(example) for example in stream_examples(key, Split.TRAIN, store=store)]
    chosen = choose_shots(train, spec.shots, seed=spec.seed)
    places = {shot.id: place for place, shot in enumerate(chosen)}
    found = (each for each in stream_examples(key, Split.TRAIN, store=store) if each.id in places)
    return tuple(sorted(islice(found, len(places)), key=lambda shot: places[shot.id]))


def _bare(example: Example) -> Example:
    """Return the parts of an example by which shots are chosen."""
    return Example(
        example.id, "", "", (), group=example.group, row=example.row, label=example.label
    )
