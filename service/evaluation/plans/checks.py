"""What is refused of an evaluation before it is asked: models that cannot be called, judges that
cannot judge, answers that they cannot compare with, and what a local model or the form of answers
does not allow.
"""

from collections.abc import Iterable, Iterator

from service.catalogue.catalogue import Catalogue
from service.catalogue.checks import POINTER, check_base_model, check_location, check_samples
from service.catalogue.local_names import is_local
from service.database import Session
from service.datasets.presets.answer_form import AnswerForm
from service.errors import Fault, Invalid, NotFound
from service.evaluation import repository
from service.evaluation.generation_schemas import GenerationConfig, PromptSearch, RubricJudge
from service.evaluation.judges.rubric import score_name
from service.evaluation.metrics.registry import find_score
from service.evaluation.ports import FindModel
from service.evaluation.schemas import EvaluateSpec, VariantKind
from service.jobs.ports import InputNotReady

_JUDGE, _AGAINST = "/spec/judge/model", "/spec/judge/against"
CANNOT = "local_model_cannot"
GREEDY = "local models answer greedily: leave `temperature` at 0"


def check_model(
    session: Session,
    spec: EvaluateSpec,
    base_model: str,
    project_id: str,
    find_model: FindModel,
    catalogue: Catalogue,
) -> bool:
    """Return whether a model is used that only `allow_unlisted_model` lets through; raises NotFound
    `input_not_found`, and what the checks of the catalogue raise.
    """
    pointer = POINTER if spec.model is None else "/spec/model"
    try:
        if spec.model is not None:
            base_model = find_model(spec.model, project_id=project_id, session=session).base_model
    except InputNotReady:
        pass  # reserved: the job will wait for it, and the tuning's base model was checked
    except NotFound as error:
        fault = Fault(pointer, "input_not_found", error.message)
        raise NotFound(error.message, code="input_not_found", faults=[fault]) from error
    if not base_model:
        return False  # an adopted tuning whose base model the provider did not name
    check_samples(catalogue, base_model, samples=spec.samples)
    unlisted = check_base_model(
        catalogue, base_model, allow_unlisted=spec.allow_unlisted_model, pointer=pointer
    )
    if spec.model is None and not unlisted:
        check_location(catalogue, base_model)
    return unlisted


def check_judges(
    spec: GenerationConfig, search: PromptSearch | None, *, catalogue: Catalogue
) -> None:
    """Raise Invalid where one that is named is no base model that can be called."""
    named = {
        "/spec/verbal/model": spec.verbal and spec.verbal.model,
        _JUDGE: spec.judge and spec.judge.model,
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


def check_judge(
    session: Session,
    judge: RubricJudge | None,
    rows: tuple[str, str],
    *,
    answered_by: Iterable[str],
    project_id: str,
    catalogue: Catalogue,
) -> None:
    """Raise what `check_family` raises of each base model that answers, and `check_compared`.

    `rows` are a dataset and a split.
    """
    for base_model in answered_by:
        check_family(judge, base_model, catalogue=catalogue)
    check_compared(session, judge, rows, project_id=project_id)


def check_compared(
    session: Session, judge: RubricJudge | None, rows: tuple[str, str], *, project_id: str
) -> VariantKind:
    """Return the variant of the evaluation that a judge compares with.

    Raises NotFound `input_not_found`, and Invalid `evaluations_differ` where it is not finished or
    of other rows.
    """
    if judge is None or judge.against is None:
        return VariantKind.ZERO_SHOT
    try:
        row = repository.get(session, judge.against, project_id=project_id)
    except NotFound as error:
        fault = Fault(_AGAINST, "input_not_found", error.message)
        raise NotFound(error.message, code="input_not_found", faults=[fault]) from error
    if row.ready_at is None or (row.dataset_id, row.split) != rows:
        message = (
            f"{judge.against} is not finished, or not of the same rows: "
            "answers are compared row by row"
        )
        fault = Fault(_AGAINST, "evaluations_differ", message)
        raise Invalid(message, code="evaluations_differ", faults=[fault])
    return VariantKind(row.kind)


def check_controlled(form: AnswerForm, *, controlled: bool) -> None:
    """Raise Invalid `answers_not_closed` where answers of this form follow no schema."""
    if controlled and not form.response_format:
        message = (
            "`controlled` needs answers of a label set or a JSON schema, which this dataset has "
            "not; prepare it with `labels` or `target_schema`"
        )
        fault = Fault("/spec/controlled", "answers_not_closed", message)
        raise Invalid(message, code="answers_not_closed", faults=[fault])


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


def _refused(code: str, message: str) -> Invalid:
    return Invalid(message, code=code, faults=[Fault(_JUDGE, code, message)])
