"""What an evaluation will cost, estimated from the lengths of its dataset's texts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import ceil

from service.catalogue.catalogue import Catalogue
from service.catalogue.prices import CallPrice
from service.database import Session
from service.datasets.queries import DatasetView, instruction_tokens, ready_dataset, typical_tokens
from service.errors import NotFound
from service.evaluation.generation_schemas import GenerationConfig, PromptSearch
from service.evaluation.lanes import Lane
from service.evaluation.ports import FindModel
from service.evaluation.schemas import EvaluateSpec, VariantKind
from service.evaluation.vertex_metrics import INSTANCES
from service.inference.hedges import HEDGED_SHARE
from service.inference.ports import EVALUATION_SERVICE
from service.jobs.ports import Estimate, InputNotReady, Submission
from service.money import at_most
from service.tokens import tokens_in

# A model says more than the target as long as it has not learned to be short.
_OUTPUT_FACTOR = 1.5
_REASONING_TOKENS = 200  # a guess: some sentences before the answer
_JUDGE_TOKENS, _WORD_TOKENS = 60, 4  # of the question to a judge, and of its reply

NOT_READY = Estimate(
    notes=(("dataset_not_ready", "the dataset is still being made: its sizes are not known yet"),)
)


def unpriced(base_model: str) -> Estimate:
    """Return the estimate of work with a model that no price is known for."""
    note = ("price_unknown", f"no price is known for {base_model}: its cost stays null")
    return Estimate(unpriced=(base_model,), notes=(note,))


def rows_asked(dataset: DatasetView, spec: EvaluateSpec) -> int:
    """Return how many rows of its split an evaluation is of."""
    rows = int(dataset.splits[spec.split]["rows"])
    return max(0, min(spec.last_row or rows, rows) - spec.first_row)


def estimate_calls(
    dataset: DatasetView,
    config: GenerationConfig,
    *,
    base_model: str,
    rows: int,
    variant: VariantKind,
    shots: int,
    catalogue: Catalogue,
) -> Estimate:
    """Return what the requests of so many rows cost; pure. `cost_nano` is None without a price."""
    requests = rows * config.samples
    text, target = typical_tokens(dataset, "text"), typical_tokens(dataset, "target")
    prompt = instruction_tokens(dataset) + text + shots * (text + target)
    said = ceil(_OUTPUT_FACTOR * target) + 1 + variant.reasons * _REASONING_TOKENS
    output, tuned = min(config.max_output_tokens, said), variant.is_tuned
    locate = catalogue.tuned_location if tuned else catalogue.serving_location
    price = catalogue.price_of_calls(
        base_model,
        location=locate(base_model),
        tuned=tuned,
        batch=config.lane is Lane.BATCH,
    )
    asked = _priced(requests, prompt=prompt, output=output, base_model=base_model, price=price)
    if config.hedge:
        hedged_nano = ceil(HEDGED_SHARE * asked.known_nano)
        asked = replace(
            asked,
            high_nano=None if asked.cost_nano is None else asked.cost_nano + hedged_nano,
            notes=asked.notes + _hedge_note(hedged_nano),
        )
    judged = instruction_tokens(dataset) + text + said
    return total([asked, *_judging(config, base_model, rows, judged, target, catalogue=catalogue)])


def _judging(
    config: GenerationConfig,
    base_model: str,
    rows: int,
    judged: int,
    target: int,
    *,
    catalogue: Catalogue,
) -> Iterator[Estimate]:
    """Yield what the calls of judges cost, to each of whom `judged` tokens of a row are shown."""
    estimate = partial(_estimate_side_calls, output=_WORD_TOKENS, catalogue=catalogue)
    if config.verbal is not None:
        yield estimate(
            rows * config.verbal.repeats,
            prompt=_JUDGE_TOKENS + judged,
            base_model=config.verbal.model or base_model,
        )
    if config.judge is not None:
        yield estimate(
            rows * config.judge.repeats,
            prompt=_JUDGE_TOKENS + tokens_in(len(config.judge.rubric)) + judged + target,
            base_model=config.judge.model,
        )


def _estimate_side_calls(
    requests: int, *, prompt: int, output: int, base_model: str, catalogue: Catalogue
) -> Estimate:
    """Return what calls beside those of the rows cost: of a judge, or of a search."""
    price = catalogue.price_of_calls(
        base_model, location=catalogue.serving_location(base_model), tuned=False
    )
    return _priced(requests, prompt=prompt, output=output, base_model=base_model, price=price)


def _priced(
    requests: int, *, prompt: int, output: int, base_model: str, price: CallPrice | None
) -> Estimate:
    """Return what requests of so many tokens each cost; a model without a price is named."""
    cost = None
    if price is not None:
        cost = requests * price.cost(prompt_tokens=prompt, output_tokens=output)
    missing = unpriced(base_model)
    return Estimate(
        requests=requests,
        prompt_tokens=requests * prompt,
        output_tokens=requests * output,
        training_tokens=0,
        cost_nano=cost,
        low_nano=cost,
        high_nano=cost,
        known_nano=cost or 0,
        unpriced=() if price else missing.unpriced,
        notes=() if price else missing.notes,
    )


def total(estimates: Iterable[Estimate]) -> Estimate:
    """Return the sum of estimates; what one of them does not know, the sum does not, but for
    `known_nano`. Hours: all at once, or one after another.
    """
    known = list(estimates)
    return Estimate(
        requests=_sum(each.requests for each in known),
        prompt_tokens=_sum(each.prompt_tokens for each in known),
        output_tokens=_sum(each.output_tokens for each in known),
        training_tokens=_sum(each.training_tokens for each in known),
        cost_nano=_sum(each.cost_nano for each in known),
        low_nano=_sum(each.low_nano for each in known),
        high_nano=_sum(each.high_nano for each in known),
        ahead_nano=sum(each.ahead_nano for each in known),
        known_nano=sum(each.known_nano for each in known),
        unpriced=tuple(dict.fromkeys(model for each in known for model in each.unpriced)),
        notes=tuple(dict.fromkeys(note for each in known for note in each.notes)),
        hours=_hours([each.hours for each in known if each.hours]),
    )


def _hours(ranges: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return how long tunings take together: the longest alone, or one after another."""
    if not ranges:
        return None
    return max(low for low, _ in ranges), sum(high for _, high in ranges)


def _sum(numbers: Iterable[int | None]) -> int | None:
    found = list(numbers)
    known = [number for number in found if number is not None]
    return sum(known) if len(known) == len(found) else None


def _hedge_note(nano: int) -> tuple[tuple[str, str], ...]:
    words = f"up to {HEDGED_SHARE:.0%} of the calls may be sent twice"
    return (("hedged", f"{words}, for at most {at_most(nano)} USD more"),)


def estimate_evaluation(
    session: Session,
    submission: Submission,
    *,
    base_model: str,
    catalogue: Catalogue,
    find_model: FindModel,
) -> Estimate:
    """Return what an `evaluate` job will cost; what is not known yet is None."""
    spec = EvaluateSpec.model_validate(submission.spec.model_dump())
    name = _base_model(session, spec, submission.project_id, find_model) or base_model
    try:
        dataset = ready_dataset(spec.dataset, project_id=submission.project_id, session=session)
    except InputNotReady:
        used = [(name, spec.model is not None)]
        used += [(EVALUATION_SERVICE, False)] if spec.vertex_metrics else []
        missing = [
            unpriced(each)
            for each, tuned in used
            if catalogue.price_of_calls(each, location="", tuned=tuned) is None
        ]
        return total(missing) if missing else NOT_READY
    asked = estimate_calls(
        dataset,
        spec,
        base_model=name,
        rows=rows_asked(dataset, spec),
        variant=spec.variant,
        shots=spec.shots,
        catalogue=catalogue,
    )
    parts = [asked]
    if spec.search is not None:
        parts.append(estimate_search(dataset, spec.search, name, catalogue=catalogue))
    if spec.vertex_metrics:
        parts.append(estimate_vertex_metrics(dataset, spec, catalogue=catalogue))
    return total(parts)


def estimate_vertex_metrics(
    dataset: DatasetView, spec: EvaluateSpec, *, catalogue: Catalogue
) -> Estimate:
    """Return what the evaluation service costs: an answer and a reference a row and metric."""
    requests = len(set(spec.vertex_metrics)) * ceil(rows_asked(dataset, spec) / INSTANCES)
    return _estimate_side_calls(
        requests,
        prompt=2 * INSTANCES * typical_tokens(dataset, "target"),
        output=0,
        base_model=EVALUATION_SERVICE,
        catalogue=catalogue,
    )


def estimate_search(
    dataset: DatasetView, search: PromptSearch, base_model: str, *, catalogue: Catalogue
) -> Estimate:
    """Return what a search for a prompt costs if it takes all its calls, with the most shots."""
    text, target = typical_tokens(dataset, "text"), typical_tokens(dataset, "target")
    shown = instruction_tokens(dataset) + text + max(search.shots) * (text + target)
    return _estimate_side_calls(
        search.calls,
        prompt=shown,
        output=ceil(_OUTPUT_FACTOR * target) + 1,
        base_model=base_model,
        catalogue=catalogue,
    )


def _base_model(
    session: Session, spec: EvaluateSpec, project_id: str, find_model: FindModel
) -> str | None:
    """Return the base model: a tuned model costs what its base does, and knows it best."""
    if spec.model is None:
        return spec.base_model
    try:
        return find_model(spec.model, project_id=project_id, session=session).base_model
    except (InputNotReady, NotFound):
        return spec.base_model
