"""What crosses HTTP about experiments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.datasets.schemas import PrepareSpec, TrainSize
from service.evaluation.generation_schemas import GenerationConfig, PromptSearch
from service.evaluation.judges.reports import Estimate, self_preference
from service.experiments.curve_schemas import ExperimentCurve
from service.experiments.hyperparameter_sweep import SweepSpec, configurations_of
from service.experiments.label_error_schemas import LabelErrorsSpec
from service.experiments.models import Experiment as ExperimentRow
from service.experiments.tuned_bases import BaseModelName, TunedBaseSpec, trains_classifier
from service.experiments.variant_view import ExperimentVariant, VariantView
from service.ids import Prefix, id_pattern
from service.jobs.lifecycle import State
from service.jobs.schemas import OutputState, output_state
from service.money import AMOUNT_PATTERN
from service.tuning.local_spec import LocalTrainingSpec, provider_mistakes
from service.tuning.ports import TuningMethod
from service.tuning.schemas import HyperparametersSpec, ProviderName


class ExperimentSpec(GenerationConfig):
    """Compare prompting with tuning on growing train sizes, on the same test rows.

    Give either `prepare`, a dataset to make, or `dataset`, one that exists; or `extend`, an
    experiment to which train sizes and variants are added.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "prepare": {
                        "preset": "pii",
                        "source": {"type": "synthetic", "rows": 3000, "seed": 0},
                        "train_sizes": [50, 200, 800],
                        "test_size": 200,
                    },
                    "base_model": "gemini-3.1-flash-lite",
                    "shots": 3,
                }
            ]
        },
    )

    name: str | None = Field(
        default=None, min_length=1, max_length=120, description="the title of its report"
    )
    prepare: PrepareSpec | None = None
    dataset: str | None = Field(default=None, pattern=id_pattern(Prefix.DATASET))
    extend: str | None = Field(
        default=None,
        pattern=id_pattern(Prefix.EXPERIMENT),
        description="an experiment that has ended: `train_sizes` and variants named here are added "
        "to its own, on the same test rows; its tunings and answers are used again and cost "
        "nothing",
    )
    train_sizes: tuple[TrainSize, ...] = Field(
        default=(),
        max_length=12,
        description="with `dataset`: empty for every size it was prepared with; with `extend`: the "
        "sizes to add",
    )
    base_model: BaseModelName | None = Field(
        default=None, description="the installation's default without one"
    )
    shots: int = Field(default=3, ge=0, le=100, description="0 leaves few-shot out")
    chain_of_thought: bool = Field(default=False, description="add one that reasons, then answers")
    optimised_prompt: PromptSearch | None = Field(
        default=None, description="add the best prompt that a search on validation rows finds"
    )
    tuned_shots: int = Field(
        default=0, ge=0, le=100, description="add each tuned model with so many shots"
    )
    compare_models: tuple[BaseModelName, ...] = Field(
        default=(),
        max_length=5,
        description="other base models, prompted in the same ways on the same rows",
    )
    tune_models: tuple[TunedBaseSpec, ...] = Field(
        default=(),
        max_length=5,
        description="other base models that are tuned too, at Google or on this machine, and "
        "prompted: each makes a learning curve of its own, over the same train sizes and test rows",
    )
    method: TuningMethod = Field(
        default=TuningMethod.SUPERVISED,
        description="how all tuned variants are tuned: `preference` learns from pairs of a chosen "
        "and a rejected answer (DPO), of a dataset of `form`: preference. It follows Google's "
        "documentation and was never observed there",
    )
    hyperparameters: HyperparametersSpec = HyperparametersSpec()
    epochs: Literal["matched", "matched_steps"] | None = Field(
        default=None,
        description="`matched`: the same epochs on every train size; `matched_steps`: as many rows "
        "seen in all, so more epochs on smaller sizes. `hyperparameters.epochs` are those of the "
        "largest size, 4 without them. Null: as the service chooses for each size",
    )
    checkpoint: Literal["last", "best"] = Field(
        default="last",
        description="`best`: of each tuned model the earliest checkpoint that scores within one "
        "standard error of the best on the validation rows, of which there must be some",
    )
    replicates: int = Field(
        default=1,
        ge=1,
        le=10,
        description="tunings of each tuned variant without shots: beyond 1 the luck of a tuning is "
        "measured, apart from that of the test rows",
    )
    replicate_by: Literal["seed", "subset"] = Field(
        default="seed",
        description="`seed`: replicates are tuned on the same rows; `subset`: on other nested "
        "subsets of the training rows, which adds the luck of the rows (the largest size has no "
        "others where it takes them all)",
    )
    final: bool = Field(
        default=False,
        description="at the end tune the best configuration on the largest training file of the "
        "dataset; its model is not scored, as the test rows have chosen its configuration",
    )
    racing: bool = Field(
        default=False,
        description="ask tuned variants on growing parts of the test rows, and stop those that are "
        "shown to lose: the best one is stopped with a probability of at most 5 %. Needs a metric "
        "that is a mean over rows, and the cache",
    )
    sweep: SweepSpec | None = Field(
        default=None, description="tune with other hyperparameters, too: on every train size"
    )
    fresh: bool = Field(
        default=False,
        description="tune and pay anew where identical tunings of the project have succeeded",
    )
    provider: ProviderName = "vertex"
    local: LocalTrainingSpec | None = Field(
        default=None, description="with the provider `local`: how it trains; null: as it sees fit"
    )
    metric: str | None = Field(default=None, description="default: the preset's first")
    tolerance: float = Field(
        default=0.0,
        ge=0,
        description="on the metric's scale: the smallest size that is not shown to be worse than "
        "the best by more than this is recommended",
    )
    worthwhile_gain: float | None = Field(
        default=None,
        gt=0,
        description="on the metric's scale: what one more doubling of the data must gain to be "
        "worth it; default: half a hundredth of the scale",
    )
    label_price: str | None = Field(
        default=None,
        pattern=AMOUNT_PATTERN,
        description="dollars for one labelled row, such as `0.08`: counted in what to buy next",
    )
    extrapolation: float = Field(
        default=2.0,
        ge=2,
        le=16,
        description="the fitted curve is drawn to so many times the largest size; beyond 2 its "
        "error grows large, and the report says so",
    )
    label_errors: LabelErrorsSpec | None = Field(
        default=None,
        description="list training rows whose label is perhaps wrong; each smaller size asks them",
    )

    @model_validator(mode="after")
    def _one_dataset(self) -> Self:
        given = (self.prepare is not None) + (self.dataset is not None)
        if given > 1 or (given == 0 and self.extend is None):
            message = "give either `prepare` or `dataset`, or `extend`"
            raise ValueError(message)
        if self.prepare is not None and self.train_sizes:
            message = "`train_sizes` goes inside `prepare`"
            raise ValueError(message)
        if self.epochs == "matched_steps" and self.sweep is not None:
            message = "`matched_steps` sets the epochs of each size: it goes without `sweep`"
            raise ValueError(message)
        if self.racing and self.replicates > 1:
            message = "`replicates` measure luck on all test rows: they go without `racing`"
            raise ValueError(message)
        if self.chain_of_thought and self.controlled:
            raise ValueError("`controlled` leaves no room for `chain_of_thought`")
        if self.method is TuningMethod.PREFERENCE and self.label_errors:
            raise ValueError("`label_errors` are of labels, and pairs have none: leave it out")
        if self.racing and not self.cache:
            message = "`racing` asks in laps, each of which needs the answers of the one before: "
            raise ValueError(message + "leave `cache` on")
        return self

    @model_validator(mode="after")
    def _provider_has_its_own(self) -> Self:
        configurations = configurations_of(self.sweep, self.hyperparameters)
        multipliers = [each.learning_rate_multiplier for each in configurations]
        if self.sweep and self.provider == "vertex":
            for name in ("learning_rates", "batch_sizes"):
                if getattr(self.sweep, name):
                    raise ValueError(f"`sweep.{name}` is of the provider `local`: leave it out")
        if self.trains_classifier and self.sweep and self.sweep.prompts:
            raise ValueError("a classifier reads the text alone: leave out `sweep.prompts`")
        mistakes = provider_mistakes(
            self.provider,
            base_model=self.base_model,
            local=self.local,
            vertex_only={"learning_rate_multiplier": any(multipliers)},
        )
        for mistake in mistakes:
            raise ValueError(mistake)
        if self.trains_classifier and (self.tuned_shots or (self.sweep and self.sweep.shots)):
            message = "a classifier reads the text alone: leave out the shots of tuned models"
            raise ValueError(message)
        return self

    @property
    def trains_classifier(self) -> bool:
        """Whether the tuned models read the text alone and answer with a label."""
        return trains_classifier(self.provider, self.local)


class Experiment(BaseModel):
    """A learning curve and its answer: read-only, made by an `experiment` job."""

    object: Literal["experiment"] = "experiment"
    id: str
    name: str | None = Field(description="as its job named it; null without a name")
    job: str
    state: OutputState
    dataset: str | None
    base_model: str
    metric: str | None
    answer: str | None = Field(description="one sentence")
    verdict: str | None = Field(description="whether more data would still help")
    synthetic: bool = Field(description="answered by the emulator, not by Gemini")
    unlisted_model: bool = Field(description="unknown or retired, used as the job allowed")
    variants: list[ExperimentVariant]
    self_preference: Estimate | None = Field(
        description="by how much the judge is kinder to its own model's answers; null: unlabelled"
    )
    curve: ExperimentCurve | None = Field(description="null in lists, and until it is ready")
    files: list[str] = Field(
        description="plots and tables of the report, below `links.self`, such as `plots/curve.svg`"
    )
    created_at: datetime
    ready_at: datetime | None
    links: dict[str, str]


def present_experiment(
    row: ExperimentRow, variants: Sequence[VariantView], *, job: State | None, in_list: bool = False
) -> Experiment:
    """Return a row with its variants as HTTP shows it; `in_list` leaves its curve out."""
    return Experiment(
        id=row.id,
        name=row.name,
        job=row.job_id,
        state=output_state(job, ready=row.ready_at is not None),
        dataset=row.dataset_id,
        base_model=row.base_model,
        metric=row.metric,
        answer=row.answer,
        verdict=row.verdict,
        synthetic=row.synthetic,
        unlisted_model=row.unlisted_model,
        variants=[ExperimentVariant.model_validate(variant) for variant in variants],
        self_preference=self_preference([(v.base_model, v.judge) for v in variants if v.judge]),
        curve=ExperimentCurve.model_validate(row.curve) if row.curve and not in_list else None,
        files=row.files or [],
        created_at=row.created_at,
        ready_at=row.ready_at,
        links=experiment_links(row.id),
    )


def experiment_links(experiment_id: str) -> dict[str, str]:
    """Return where an experiment, its page and its table are found, below the API's address."""
    own = f"/v1/experiments/{experiment_id}"
    return {"self": own, "report": f"{own}/content?format=html", "content": f"{own}/content"}
