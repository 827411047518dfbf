"""Base models by family: adapter sizes, tuning regions and where a tuned model is served."""

from emulator.errors import Violation

_SIZES = ("ONE", "TWO", "FOUR", "EIGHT", "SIXTEEN")
_PRO_SIZES = ("ONE", "TWO", "FOUR", "EIGHT")
_SPEC = "tuning_job.supervised_tuning_spec"


def is_known_model(name: str) -> bool:
    return name.startswith("gemini-") and len(name) > len("gemini-")


def model_name(text: str) -> str:
    """Return the bare name of `publishers/google/models/NAME` or of `NAME@version`."""
    return text.rsplit("/", 1)[-1].partition("@")[0]


def serving_location(base_model: str, tuning_location: str) -> str:
    """Return where the tuned model lives: a multi-region for Gemini 3, else the tuning region."""
    if not base_model.startswith("gemini-3"):
        return tuning_location
    return "eu" if tuning_location.startswith("europe-") else "us"


def check_model(base_model: str, *, location: str) -> list[Violation]:
    field = "tuning_job.base_model"
    if not is_known_model(base_model):
        return [Violation(field, f"Base model {base_model} is not supported.")]
    regions = ("us-", "europe-") if base_model.startswith("gemini-3") else ("",)
    if "-" not in location or not location.startswith(regions):
        return [Violation(field, f"Base model {base_model} cannot be tuned in {location}.")]
    return []


def check_adapter_size(name: str, *, base_model: str) -> list[Violation]:
    """Compare `ADAPTER_SIZE_FOUR` and the like with what the base model takes."""
    sizes = _PRO_SIZES if "-pro" in base_model else _SIZES
    if name.removeprefix("ADAPTER_SIZE_") in {"UNSPECIFIED", *sizes}:
        return []
    message = f"{name} is not supported for {base_model}; supported: {', '.join(sizes)}."
    return [Violation(f"{_SPEC}.hyper_parameters.adapter_size", message)]
