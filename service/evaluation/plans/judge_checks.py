"""Whether the models that judge answers or write prompts can be called, and may judge. Pure."""

from service.catalogue.catalogue import Catalogue
from service.catalogue.checks import check_base_model
from service.catalogue.local_names import is_local
from service.errors import Fault, Invalid
from service.evaluation.generation_schemas import GenerationConfig, PromptSearch, RubricJudge
from service.evaluation.judges.rubric import score_name
from service.evaluation.metrics.registry import find_score

_POINTER = "/spec/judge/model"


def check_judges(
    spec: GenerationConfig, search: PromptSearch | None, *, catalogue: Catalogue
) -> None:
    """Raise Invalid where one that is named is no base model that can be called."""
    named = {
        "/spec/verbal/model": spec.verbal and spec.verbal.model,
        _POINTER: spec.judge and spec.judge.model,
        "/spec/search/proposer": search and search.proposer,
    }
    for pointer, name in named.items():
        if name:
            check_base_model(
                catalogue, name, allow_unlisted=spec.allow_unlisted_model, pointer=pointer
            )
    if spec.judge and is_local(spec.judge.model):
        raise _refused("local_model_cannot", "a local model does not judge: name one of a provider")


def check_family(judge: RubricJudge | None, answered_by: str, *, catalogue: Catalogue) -> None:
    """Raise Invalid `judge_of_same_family` where a model would judge its own family's answers.

    `answered_by` is a base model; "" where it is not known yet. Families are the lines of
    providers in the catalogue.
    """
    if judge is None or judge.allow_same_family or not answered_by:
        return
    family = catalogue.line_of(judge.model)
    if family == catalogue.line_of(answered_by):
        message = (
            f"{judge.model} would judge answers of its own family ({family}: {answered_by}), whose "
            "style it may prefer; name a judge of another family, or set `allow_same_family`, and "
            "label some rows to see its bias"
        )
        raise _refused("judge_of_same_family", message)


def check_score(name: str, judge: RubricJudge | None, *, pointer: str) -> None:
    """Raise Invalid where the name is no metric, nor what the judge gives."""
    given = judge and score_name(judge)
    if find_score(name, pointer=pointer).is_given and name != given:
        message = (
            f"{name} is what a judge gives: ask for it with `judge`, in the mode that gives it"
        )
        raise Invalid(
            message, code="judge_missing", faults=[Fault(pointer, "judge_missing", message)]
        )


def _refused(code: str, message: str) -> Invalid:
    return Invalid(message, code=code, faults=[Fault(_POINTER, code, message)])
