"""The variants of an experiment: the ways of using the model that it compares."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from service.catalogue.local_names import short_name
from service.datasets.queries import DatasetView
from service.errors import Fault, Invalid
from service.evaluation.schemas import VariantKind
from service.experiments.hyperparameter_sweep import (
    CELLS_LIMIT,
    ConfigurationSpec,
    configuration_name,
    configurations_of,
)
from service.experiments.schemas import ExperimentSpec
from service.experiments.tuned_bases import TunedBaseSpec
from service.tuning.local_spec import LocalTrainingSpec
from service.tuning.schemas import ProviderName

FINAL = "final"  # label of the last tuning of an experiment that asks for one
_MATCHED_EPOCHS = 4  # the default that Google's guide to tuning text models names
_MOST_EPOCHS = 100  # that a tuning may be asked for
UNSEEN = " on unseen rows"
_LEFT_TO_PROVIDER = ConfigurationSpec()


@dataclass(frozen=True, slots=True, order=True)
class TrainingSet:
    """Which dataset a tuning takes its rows from: `prompt` counts the instructions of the sweep and
    `subset` the other orders of the training rows; 0 is the experiment's own.
    """

    prompt: int = 0
    subset: int = 0

    @property
    def label(self) -> str:
        """The label of the job that prepares it."""
        marks = (f"p{self.prompt}" if self.prompt else "", f"#{self.subset + 1}")
        return " ".join(("dataset", *filter(None, marks[: 2 if self.subset else 1])))


OWN_ROWS = TrainingSet()


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of using a model; `train_size` counts examples and is None unless tuned.

    `base_model` is None where it is the experiment's own; `hyperparameters`, `provider` and `local`
    are those of the tuning; a `replicate` above 0 is the same tuning once more, on the rows of
    another `subset` where that is above 0.
    """

    name: str
    kind: VariantKind
    shots: int = 0
    train_size: int | None = None
    base_model: str | None = None
    hyperparameters: ConfigurationSpec = _LEFT_TO_PROVIDER
    replicate: int = 0
    subset: int = 0
    provider: ProviderName = "vertex"
    local: LocalTrainingSpec | None = None

    @property
    def tuning(self) -> tuple[object, ...] | None:
        """What makes its tuning unlike others: variants that have it in common share a model."""
        if self.train_size is None:
            return None
        return (
            self.base_model,
            self.train_size,
            self.hyperparameters,
            self.local,
            self.replicate,
            self.subset,
        )

    @property
    def training_set(self) -> TrainingSet:
        return TrainingSet(self.hyperparameters.prompt or 0, self.subset)


def variants_of(spec: ExperimentSpec, dataset: DatasetView | None) -> tuple[Variant, ...]:
    """Return the variants of a spec with the train sizes that apply.

    Raises Invalid at `/spec/train_sizes`, `/spec/compare_models`, `/spec/tune_models` or
    `/spec/sweep` with every fault found.
    """
    return plan_variants(train_sizes_of(spec, dataset), spec)


def train_sizes_of(spec: ExperimentSpec, dataset: DatasetView | None) -> tuple[int, ...]:
    """Return the train sizes that apply: those of the dataset to be made, those that the spec
    names, or every size that `dataset` was prepared with.
    """
    given = spec.prepare.train_sizes if spec.prepare else spec.train_sizes
    return given or (dataset.train_sizes if dataset else ())


def plan_variants(sizes: Sequence[int], spec: ExperimentSpec) -> tuple[Variant, ...]:
    """Return the prompted variants of every base model, then the tuned ones.

    Raises what `variants_of` raises.
    """
    faults = [*_size_faults(sizes), *_model_faults(spec), *_search_faults(spec)]
    if faults:
        raise Invalid("the variants cannot be planned as asked", faults=faults)
    models = (None, *models_of(spec, "")[1:])
    prompted = [variant for model in models for variant in _prompted(spec, model)]
    tuned = [*_tuned(sorted(sizes), spec)]
    for base in spec.tune_models:
        tuned += _tuned_too(sorted(sizes), spec, base)
    if len(tuned) > CELLS_LIMIT:
        message = f"the sweep has {len(tuned):,} cells, {CELLS_LIMIT} are the most: make it smaller"
        raise Invalid(message, faults=[Fault("/spec/sweep", "sweep_too_large", message)])
    return (*prompted, *_searched(spec), *tuned)


def tuned_models_of(spec: ExperimentSpec, base_model: str) -> tuple[str, ...]:
    """Return the base models that are tuned; `base_model` is the experiment's own, the first."""
    return (base_model, *(each.base_model for each in spec.tune_models))


def models_of(spec: ExperimentSpec, base_model: str) -> tuple[str, ...]:
    """Return the base models that answer test rows, the experiment's own first."""
    own, *others = tuned_models_of(spec, base_model)
    return (own, *spec.compare_models, *others)


def training_sets(variants: Iterable[Variant]) -> list[TrainingSet]:
    """Return the datasets to tune on that are to be made beside the experiment's own."""
    return sorted({each.training_set for each in variants} - {OWN_ROWS})


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """Training rows, from `first_row` to before `last_row`, that a smaller model has not seen."""

    variant: Variant
    first_row: int
    last_row: int

    @property
    def name(self) -> str:
        """The label of its job."""
        return f"{self.variant.name}{UNSEEN}"


def label_checks(variants: Sequence[Variant], spec: ExperimentSpec) -> list[LabelCheck]:
    """Return what the smaller train sizes are asked where label errors are looked for.

    Of several tunings of the experiment's base model on one size the first is asked. Raises Invalid
    `label_errors_need_sizes` for a single train size.
    """
    if spec.label_errors is None:
        return []
    kind = VariantKind.TUNED
    tuned = [each for each in variants if each.kind is kind and each.base_model is None]
    by_size = {each.train_size or 0: each for each in reversed(tuned)}
    largest = max(by_size)
    first = largest - spec.label_errors.rows
    found = [
        LabelCheck(by_size[size], max(size, first), largest)
        for size in sorted(by_size)
        if size < largest
    ]
    if not found:
        message = "label errors are found by models of smaller sizes: give two train sizes at least"
        fault = Fault("/spec/label_errors", "label_errors_need_sizes", message)
        raise Invalid(message, faults=[fault])
    return found


def _prompted(spec: ExperimentSpec, base_model: str | None) -> Iterator[Variant]:
    """Yield zero-shot, few-shot unless `shots` is 0, and chain of thought where it is asked for.

    The base of a classifier has no head yet: there is nothing to prompt.
    """
    others = {each.base_model: each.trains_classifier for each in spec.tune_models}
    if spec.trains_classifier if base_model is None else others.get(base_model):
        return
    of = f"{short_name(base_model)}: " if base_model else ""
    yield Variant(f"{of}zero-shot", VariantKind.ZERO_SHOT, base_model=base_model)
    if spec.shots:
        name = f"{of}few-shot ({spec.shots})"
        yield Variant(name, VariantKind.FEW_SHOT, shots=spec.shots, base_model=base_model)
    if spec.chain_of_thought:
        name = f"{of}chain-of-thought"
        yield Variant(name, VariantKind.CHAIN_OF_THOUGHT, base_model=base_model)


def _searched(spec: ExperimentSpec) -> Iterator[Variant]:
    """Yield the best prompt that a search finds, where one is asked for."""
    if spec.optimised_prompt and not spec.trains_classifier:
        yield Variant("optimised prompt", VariantKind.OPTIMISED_PROMPT)


def _tuned(sizes: Sequence[int], spec: ExperimentSpec) -> Iterator[Variant]:
    """Yield the tuned variants: first with the fewest shots, sizes rising, then with more."""
    configurations = configurations_of(spec.sweep, spec.hyperparameters)
    for shots in _shots_of_tuned(spec):
        for size in sizes:
            for swept in configurations:
                configuration = _matched(swept, size, largest=sizes[-1], how=spec.epochs)
                named = configuration_name(configuration) if spec.sweep else ""
                name = " ".join(filter(None, (f"tuned@{size}", named)))
                for replicate in range(1 if shots else spec.replicates):
                    again = f" #{replicate + 1}" if replicate else ""
                    yield Variant(
                        f"{name} + {shots} shots" if shots else name + again,
                        VariantKind.TUNED_FEW_SHOT if shots else VariantKind.TUNED,
                        shots=shots,
                        train_size=size,
                        hyperparameters=configuration,
                        replicate=replicate,
                        subset=replicate if spec.replicate_by == "subset" else 0,
                        provider=spec.provider,
                        local=configuration.training(spec.local),
                    )


def _tuned_too(
    sizes: Sequence[int], spec: ExperimentSpec, base: TunedBaseSpec
) -> Iterator[Variant]:
    """Yield the tuned variants of another base model, as if it were the experiment's own."""
    training = {"provider": base.provider, "local": base.local, "sweep": None}
    own = spec.model_copy(update=training | {"hyperparameters": base.hyperparameters})
    for variant in _tuned(sizes, own):
        if not (variant.shots and base.trains_classifier):
            name = f"{short_name(base.base_model)}: {variant.name}"
            yield replace(variant, name=name, base_model=base.base_model)


def _matched(
    configuration: ConfigurationSpec, size: int, *, largest: int, how: str | None
) -> ConfigurationSpec:
    """Return a configuration with the epochs that make sizes comparable, where that is asked."""
    if how is None:
        return configuration
    epochs = configuration.epochs or _MATCHED_EPOCHS
    if how == "matched_steps":
        epochs = min(_MOST_EPOCHS, round(epochs * largest / size))
    return configuration.model_copy(update={"epochs": epochs})


def _shots_of_tuned(spec: ExperimentSpec) -> list[int]:
    """Return with how many shots each tuned model is asked: with none, and as the spec says."""
    swept = spec.sweep.shots if spec.sweep else ()
    return sorted({*(swept or (0,)), *filter(None, (spec.tuned_shots,))})


def _search_faults(spec: ExperimentSpec) -> Iterable[Fault]:
    if spec.optimised_prompt and spec.prepare and not spec.prepare.validation_size:
        message = "prompts are chosen by validation rows: give `prepare` a `validation_size`"
        yield Fault("/spec/optimised_prompt", "prompt_not_searchable", message)


def _model_faults(spec: ExperimentSpec) -> Iterable[Fault]:
    named = [each for each in (spec.base_model, *spec.compare_models) if each]
    if len(set(named)) < len(named):
        message = "each base model may stand only once; `base_model` is compared anyway"
        yield Fault("/spec/compare_models", "base_models_repeated", message)
    for place, base in enumerate(spec.tune_models):
        if base.base_model in named:
            message = f"{base.base_model} stands twice; what is tuned is prompted and compared, too"
            yield Fault(f"/spec/tune_models/{place}", "base_models_repeated", message)
        named.append(base.base_model)


def _size_faults(train_sizes: Sequence[int]) -> Iterable[Fault]:
    pointer = "/spec/train_sizes"
    if not train_sizes:
        yield Fault(pointer, "train_sizes_empty", "at least one training size is needed")
    if any(size < 1 for size in train_sizes):
        yield Fault(pointer, "train_size_not_positive", "a training size is at least 1")
    if len(set(train_sizes)) < len(train_sizes):
        yield Fault(pointer, "train_sizes_repeated", "each training size may stand only once")
