"""What a job says about a training on this machine, and what such a job may not say."""

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.catalogue.local_names import LOCAL, is_local
from service.inference.local.folders import LocalTask

_ModuleName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,63}$")]


class LocalTrainingSpec(BaseModel):
    """How a local model is trained, beside the hyperparameters that all providers share."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: LocalTask = Field(
        default=LocalTask.SEQUENCE_CLASSIFICATION,
        description="`sequence_classification` learns the labels of the dataset; `causal_lm` "
        "learns to write the answers, with a LoRA adapter",
    )
    learning_rate: float | None = Field(
        default=None, gt=0, le=1, description="null: 5e-5, of an adapter 2e-4"
    )
    batch_size: int = Field(default=8, ge=1, le=1024, description="rows of one step")
    max_length: int = Field(
        default=512, ge=8, le=131_072, description="tokens of a row; the rest is cut off in front"
    )
    seed: int = Field(default=42, ge=0, le=2**31 - 1)
    modules_to_save: tuple[_ModuleName, ...] = Field(
        default=(),
        max_length=20,
        description="modules that are trained whole beside the adapter, such as `ln_f` and `wte` "
        "of a base that has learned nothing yet",
    )


DEFAULT_TRAINING = LocalTrainingSpec()
VERTEX_FIELDS = ("evaluation", "description", "labels", "service_account", "kms_key_name")


def provider_mistakes(
    provider: str,
    *,
    base_model: str | None,
    local: LocalTrainingSpec | None,
    vertex_only: Mapping[str, object],
) -> Iterator[str]:
    """Yield what does not go together: each provider has base models and settings of its own."""
    if provider == LOCAL:
        if base_model is None or not is_local(base_model):
            yield "provider `local` tunes `local:NAME` or `local:OWNER/NAME@COMMIT`: name one"
        for name in (name for name, value in vertex_only.items() if value):
            yield f"`{name}` is of the provider `vertex`: leave it out, or set it in `local`"
        return
    if base_model is not None and is_local(base_model):
        yield f"{base_model} is tuned on this machine only: set `provider` to `local`"
    if local is not None:
        yield "`local` goes with the provider `local`"
