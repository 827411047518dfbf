"""The learning curve of an experiment as HTTP shows it.

Members without a value in curves of earlier versions have a default here.
"""

from typing import Literal

from pydantic import BaseModel, Field

from service.evaluation.schemas import VariantKind
from service.experiments.decisions.decision import SizeBasis, Worth
from service.experiments.decisions.next_steps import StepKind, StepQuestion
from service.experiments.learning_curve.curve import Verdict


class CurvePoint(BaseModel):
    """The score of one variant; its values are null where nothing could be scored."""

    name: str = Field(description="of the variant, such as `tuned@200`")
    kind: VariantKind = Field(description="how the model was used")
    train_size: int | None = Field(description="examples it was tuned on; null unless tuned")
    value: float | None = Field(description="the score")
    low: float | None = Field(description="lower end of its 95 % interval")
    high: float | None = Field(description="upper end of its 95 % interval")
    coverage: float = Field(description="share of the test rows that were scored, 0 to 1")
    n: int = Field(description="how many test rows were scored")
    worst: float | None = Field(
        default=None, description="the score if all rows without an answer were wrong"
    )
    best: float | None = Field(
        default=None, description="the score if all rows without an answer were right"
    )
    groups: int | None = Field(
        default=None, description="groups that the scored rows form; null in earlier versions"
    )
    configuration: str = Field(
        default="", description="the hyperparameters in short, such as `e4 lr1 a1`, in a sweep"
    )
    epochs: int | None = Field(
        default=None, description="of the tuning, also where the provider chose; null: not known"
    )
    replicate: int = Field(
        default=0, description="above 0: the same tuning once more, to see its luck"
    )
    stopped_after: int | None = Field(
        default=None, description="test rows after which a race has stopped it; null: not stopped"
    )
    base_model: str = Field(default="", description="that was tuned, where several were")


class CurveBand(BaseModel):
    """The fitted curve at `sizes`, with a band that holds 80 % of its draws."""

    sizes: list[float] = Field(
        description="train sizes, from the smallest one tried to beyond the largest"
    )
    values: list[float] = Field(description="the fitted score at each size")
    low: list[float] = Field(description="lower edge of the band at each size")
    high: list[float] = Field(description="upper edge of the band at each size")
    gain: float = Field(description="what twice the largest size is estimated to improve")
    gain_low: float = Field(description="lower end of the central 90 % of the gain")
    gain_high: float = Field(description="upper end of the central 90 % of the gain")
    small_gain_probability: float | None = Field(
        default=None, description="that the gain is less than what is worthwhile"
    )
    break_even: float | None = Field(
        default=None,
        description="train size at which the fitted curve passes the best prompt; null where it "
        "does not within `sizes`, or no prompt has a score",
    )
    break_even_low: float | None = Field(
        default=None, description="lower end of the central 80 % of its draws"
    )
    break_even_high: float | None = Field(
        default=None, description="upper end of it; null: beyond `sizes`"
    )


class ModelCurve(BaseModel):
    """The learning curve of another base model, on the same train sizes and test rows."""

    base_model: str = Field(description="that was tuned")
    provider: str = Field(description="who tunes it: `vertex`, or `local` on this machine")
    verdict: Verdict = Field(description="whether more data would still help this model")
    points: list[CurvePoint] = Field(description="its tuned variants, smallest size first")
    fit: CurveBand | None = Field(description="null with fewer than three sizes that have a score")
    tuning_error: float = Field(description="standard deviation of the luck of a tuning")
    tuning_error_measured: bool = Field(description="by replicates")


class CurveDecision(BaseModel):
    """What the comparisons support."""

    worth: Worth = Field(description="whether tuning is shown to beat the best prompt")
    recommended_size: int | None = Field(
        description="the smallest train size that is shown to beat the best prompt and not shown "
        "to be worse than the best size; null where none is shown to beat the prompt"
    )
    basis: SizeBasis | None = Field(
        default=None,
        description="how sure the recommended size is: the best itself, shown to be as good within "
        "the tolerance, or only not shown to be worse",
    )
    candidate_size: int | None = Field(
        default=None,
        description="the size that is compared with the best prompt: the recommended one, else the "
        "best",
    )
    best_size: int | None = Field(description="the train size with the best score")
    best_prompt: str | None = Field(description="the variant without tuning that scores best")
    beats_prompt_from: int | None = Field(
        description="the smallest train size that is shown to beat the best prompt"
    )
    rows_needed: int | None = Field(
        description="test rows that would show the difference to the best prompt"
    )
    size_rows_needed: int | None = Field(
        default=None,
        description="test rows that would show whether the recommended size is worse than the best "
        "one by more than the tolerance",
    )
    score_of_best: float | None = Field(
        default=None,
        description="what the best variant is expected to score on rows that did not choose it",
    )
    detectable_difference: float | None = Field(
        default=None,
        description="the least difference to the best prompt that these test rows show, four "
        "times in five",
    )
    as_good_within: float | None = Field(
        default=None,
        description="by how much at most the recommended size is worse than the best one, with "
        "95 % confidence; null where they are one",
    )


class VariantPrice(BaseModel):
    """What a variant costs, with the tokens that were measured and the catalogue's prices."""

    prompt_tokens: float = Field(description="of one call, on average")
    output_tokens: float = Field(description="of one call, on average")
    per_thousand_calls: str | None = Field(description="dollars; null where no price is known")
    tuning: str | None = Field(description="dollars, paid once; null where no price is known")
    latency_ms: int | None = Field(
        default=None, description="median of the calls online; null where none was timed"
    )


class CurveStep(BaseModel):
    """Something to buy next: more labelled rows to train on, or to test on."""

    kind: StepKind = Field(description="what to buy")
    decides: StepQuestion | None = Field(
        default=None,
        description="what it decides: whether more data helps (`curve`), tuning beats the best "
        "prompt (`worth`), or the recommended size is worse than the best (`size`)",
    )
    amount: int = Field(description="labelled rows, or tunings of each size")
    gain: float | None = Field(description="what they are estimated to improve the score by")
    gain_low: float | None = Field(description="lower end of the central 90 % of the gain")
    gain_high: float | None = Field(description="upper end of the central 90 % of the gain")
    cost: str | None = Field(description="dollars, labels included; null where a price is unknown")
    labels_cost: str | None = Field(description="dollars for the labels alone, by `label_price`")


class CurveRace(BaseModel):
    """What a race has compared and saved."""

    looks: int | None = Field(
        default=None,
        description="laps after which the tuned variants were compared; null in older experiments",
    )
    stopped: list[str] = Field(description="names of the variants that were stopped")
    rows_saved: int = Field(description="calls that were not made for them")
    saved: str | None = Field(description="dollars; null where a price is unknown")


class RankedVariant(BaseModel):
    """A variant in the order of the scores, with its difference to the best."""

    rank: int = Field(description="1 is the best")
    name: str = Field(description="of the variant")
    value: float = Field(description="the score")
    below_best: float | None = Field(description="the best score minus this one; null for the best")
    low: float | None = Field(description="lower end of the 95 % interval of the difference")
    high: float | None = Field(description="upper end of the 95 % interval of the difference")
    adjusted_p: float | None = Field(description="adjusted for how many variants there are")
    is_worse: bool = Field(description="whether it is shown to be worse than the best")


class VariantComparison(BaseModel):
    """`first` minus `second` on the test rows that both have answered."""

    first: str = Field(description="name of a variant")
    second: str = Field(description="name of the variant it is compared with")
    difference: float = Field(description="on the metric's scale; above 0 where `first` is better")
    low: float | None = Field(description="lower end of the 95 % interval of the difference")
    high: float | None = Field(description="upper end of the 95 % interval of the difference")
    p_value: float | None = Field(description="of this comparison alone")
    adjusted_p: float | None = Field(description="adjusted for all comparisons here (Holm)")
    rows: int = Field(description="test rows that both have answered")
    groups: int = Field(description="groups that these rows form")
    coverage: float = Field(description="share of the test rows that both have answered, 0 to 1")
    worst: float | None = Field(
        description="the difference if all rows without an answer went against `first`"
    )
    best: float | None = Field(
        description="the difference if all rows without an answer went for `first`"
    )
    method: str = Field(description="the statistical test")
    freedom: float | None = Field(
        default=None,
        description="degrees of freedom of the interval: fewer than `groups` less one where groups "
        "differ in size; null in experiments of earlier versions",
    )
    is_shown: bool = Field(description="whether the difference is shown, missing rows included")


class ExperimentCurve(BaseModel):
    """Score against train size, with all that was concluded from it."""

    statistics_version: int | None = Field(
        default=None,
        description="of the statistics and the wording that all here was computed with; null in "
        "experiments of earlier versions",
    )
    metric: str = Field(description="by which the variants are compared")
    verdict: Verdict | None = Field(default=None, description="whether more data would still help")
    base_model: str = Field(
        default="", description="of `points`, where several were tuned: the one that scores best"
    )
    points: list[CurvePoint] = Field(default=[], description="tuned variants of one configuration")
    baselines: list[CurvePoint] = Field(default=[], description="variants without tuning")
    fit: CurveBand | None = Field(
        default=None, description="null with fewer than three sizes that have a score"
    )
    others: list[CurvePoint] = Field(
        default=[],
        description="tuned variants that are shown examples besides, or have another configuration",
    )
    replicates: list[CurvePoint] = Field(
        default=[], description="the same tunings once more, which enter the fit by their mean"
    )
    tuning_error: float | None = Field(
        default=None,
        description="standard deviation of the luck of a tuning, apart from that of the test rows: "
        "measured by replicates, or assumed; null in earlier versions",
    )
    tuning_error_measured: bool = Field(default=False, description="by replicates")
    replicate_by: Literal["seed", "subset"] = Field(
        default="seed",
        description="what replicates differ in: the seed of the tuning, or the training rows, too",
    )
    worthwhile_gain: float | None = Field(
        default=None, description="what one more doubling must bring to be worth it"
    )
    decision: CurveDecision | None = Field(
        default=None, description="null in experiments of earlier versions"
    )
    costs: dict[str, VariantPrice] = Field(
        default={}, description="of each scored variant, by its name"
    )
    front: list[str] | None = Field(
        default=None,
        description="variants that no other one matches in both score and cost of a call, "
        "cheapest first; null where a price is unknown",
    )
    pays_off_from: int | None = Field(
        default=None,
        description="calls a month that earn the tuning of the recommended size back within it; "
        "null where its calls are not cheaper than the best prompt's",
    )
    next_steps: list[CurveStep] = Field(default=[], description="what would decide what is open")
    race: CurveRace | None = Field(default=None, description="null without a race")
    ranking: list[RankedVariant] = Field(
        default=[], description="best first; empty in experiments of earlier versions"
    )
    rivals: list[ModelCurve] = Field(
        default=[], description="curves of the other base models that were tuned"
    )
    comparisons: list[VariantComparison] = Field(
        default=[],
        description="every two variants, of more than 24 those with the best one and with a "
        "prompt; empty in experiments of earlier versions",
    )
