"""The TuningJob that a request becomes, as a message of `aiplatform_v1` or as JSON. Pure."""

from typing import Any

from google.protobuf import json_format

from service.inference.batches.aiplatform import v1
from service.tuning.ports import Hyperparameters, ProviderEvaluation, TuningRequest
from service.tuning.providers.vertex_answers import ADAPTERS, PROJECT_LABEL, RUN_LABEL


def tuning_job(request: TuningRequest) -> Any:
    """Return the TuningJob; what was left out of the request is left to the provider."""
    key = request.kms_key_name
    return v1.TuningJob(
        **_start(request),
        supervised_tuning_spec=_supervised(request),
        tuned_model_display_name=request.display_name,
        description=request.description,
        labels={**request.labels, RUN_LABEL: request.run_id, PROJECT_LABEL: request.project_id},
        service_account=request.service_account or "",
        encryption_spec=v1.EncryptionSpec(kms_key_name=key) if key else None,
    )


def preference_job(request: TuningRequest) -> dict[str, Any]:
    """Return the TuningJob of a preference tuning, which only the REST surface has.

    Its `preferenceOptimizationSpec` has the fields of a supervised one, and `beta` (discovery
    document of v1).
    """
    job: dict[str, Any] = json_format.MessageToDict(v1.TuningJob.pb(tuning_job(request)))
    spec = job.pop("supervisedTuningSpec")
    if request.hyperparameters.beta is not None:
        spec["hyperParameters"] = spec.get("hyperParameters", {}) | {
            "beta": request.hyperparameters.beta
        }
    return job | {"preferenceOptimizationSpec": spec}


def _start(request: TuningRequest) -> dict[str, Any]:
    start = request.continue_from
    if start is None:
        return {"base_model": request.base_model}
    named = v1.PreTunedModel(
        tuned_model_name=start.resource_name, checkpoint_id=start.checkpoint or ""
    )
    return {"pre_tuned_model": named}


def _supervised(request: TuningRequest) -> Any:
    return v1.SupervisedTuningSpec(
        training_dataset_uri=request.training_uri,
        validation_dataset_uri=request.validation_uri or "",
        hyper_parameters=_hyperparameters(request.hyperparameters),
        export_last_checkpoint_only=request.export_last_checkpoint_only,
        evaluation_config=request.evaluation and _evaluation(request.evaluation),
    )


def _hyperparameters(wanted: Hyperparameters) -> Any:
    given: dict[str, Any] = {}
    if wanted.epochs is not None:
        given["epoch_count"] = wanted.epochs
    if wanted.learning_rate_multiplier is not None:
        given["learning_rate_multiplier"] = wanted.learning_rate_multiplier
    if wanted.adapter_size is not None:
        size = f"ADAPTER_SIZE_{ADAPTERS[wanted.adapter_size]}"
        given["adapter_size"] = getattr(v1.SupervisedHyperParameters.AdapterSize, size)
    return v1.SupervisedHyperParameters(**given)


def _evaluation(wanted: ProviderEvaluation) -> Any:
    destination = v1.GcsDestination(output_uri_prefix=wanted.output_uri)
    generation = {
        "max_output_tokens": wanted.max_output_tokens,
        "temperature": wanted.temperature,
    }
    given = {name: value for name, value in generation.items() if value is not None}
    return v1.EvaluationConfig(
        metrics=[*map(_computed, wanted.metrics), *map(_judged, wanted.prompts)],
        output_config=v1.OutputConfig(gcs_destination=destination),
        autorater_config=v1.AutoraterConfig(
            sampling_count=wanted.autorater_samples, autorater_model=wanted.autorater_model or ""
        ),
        inference_generation_config=v1.GenerationConfig(**given) if given else None,
    )


def _computed(name: str) -> Any:
    average = [v1.Metric.AggregationMetric.AVERAGE]
    match name:
        case "exact_match":
            return v1.Metric(exact_match_spec=v1.ExactMatchSpec(), aggregation_metrics=average)
        case "bleu":
            return v1.Metric(bleu_spec=v1.BleuSpec(), aggregation_metrics=average)
        case _:
            rouge = v1.RougeSpec(rouge_type=name)
            return v1.Metric(rouge_spec=rouge, aggregation_metrics=average)


def _judged(prompt: str) -> Any:
    return v1.Metric(
        pointwise_metric_spec=v1.PointwiseMetricSpec(metric_prompt_template=prompt),
        aggregation_metrics=[v1.Metric.AggregationMetric.AVERAGE],
    )
