"""The families of models: a judge may prefer the style of its own. Pure."""


def model_family(base_model: str) -> str:
    """Return the family of a base model, as far as its name shows: `gemini` of gemini-3.5-flash."""
    name = base_model.rpartition("/")[2].removeprefix("local:").lower()
    return name.partition("-")[0].rstrip("0123456789.") or name
