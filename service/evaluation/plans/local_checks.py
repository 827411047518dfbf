"""What a local model cannot do, said before it is asked. Pure."""

from collections.abc import Iterator

from service.errors import Fault, Invalid
from service.evaluation.generation_schemas import GenerationConfig
from service.evaluation.schemas import EvaluateSpec, VariantKind

CANNOT = "local_model_cannot"
GREEDY = "local models answer greedily: leave `temperature` at 0"


def check_local(spec: GenerationConfig, *, is_classifier: bool) -> None:
    """Raise Invalid `local_model_cannot` with everything that a local model is asked in vain."""
    faults = [Fault(f"/spec/{field}", CANNOT, why) for field, why in _mistakes(spec, is_classifier)]
    if faults:
        raise Invalid(faults[0].message, code=CANNOT, faults=faults)


def _mistakes(spec: GenerationConfig, is_classifier: bool) -> Iterator[tuple[str, str]]:  # noqa: FBT001
    if spec.temperature > 0:
        yield "temperature", GREEDY
    if spec.controlled and not is_classifier:
        yield "controlled", "answers of a local model are not held to a schema"
    if spec.verbal and not spec.verbal.model:
        yield "verbal", "a local model does not judge: name the base model that does in `model`"
    if is_classifier and isinstance(spec, EvaluateSpec):
        if spec.shots:
            yield "shots", "a classifier reads the text alone: it takes no shots"
        if spec.variant is VariantKind.CHAIN_OF_THOUGHT:
            yield "variant", "a classifier answers with a label and does not reason"
