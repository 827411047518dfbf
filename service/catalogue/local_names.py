"""Names of models on the installation's own machines: bases, and what was tuned from them. Pure.

`local:NAME` is a folder of TUNECURVE_LOCAL_MODELS, `local:OWNER/NAME@COMMIT` a model of the
Hugging Face hub at a commit: a branch may change between two runs. The endpoint of a tuned model
is `local:` and its folder in the object store.
"""

import re

LOCAL = "local"  # the location where they answer, and the provider that tunes them
_PREFIX = f"{LOCAL}:"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
LOCAL_BASE_PATTERN = rf"local:{_NAME}(/{_NAME}@[0-9a-f]{{40}})?"
_COMMIT_SHOWN, _LONGEST_SHOWN = 7, 60
_HUB_MODEL = re.compile(rf"({_NAME}/{_NAME})@([0-9a-f]{{40}})")


def is_local(name: str) -> bool:
    """Return whether a base model or an endpoint lies on the installation's own machines."""
    return name.startswith(_PREFIX)


def bare_name(name: str) -> str:
    """Return a local name without its prefix: a folder, a model of the hub, or a key."""
    return name.removeprefix(_PREFIX)


def hub_model_of(name: str) -> tuple[str, str] | None:
    """Return id and commit of a base model of the hub, or None for a folder."""
    found = _HUB_MODEL.fullmatch(bare_name(name))
    return (found[1], found[2]) if found else None


def short_name(name: str) -> str:
    """Return a base model's name as people read it: of a commit its first digits."""
    hub = hub_model_of(name) if is_local(name) else None
    short = f"{_PREFIX}{hub[0]}@{hub[1][:_COMMIT_SHOWN]}" if hub else name
    return short if len(short) <= _LONGEST_SHOWN else f"…{short[1 - _LONGEST_SHOWN :]}"


def provider_of(base_model: str) -> str:
    """Return who tunes a base model."""
    return LOCAL if is_local(base_model) else "vertex"


def endpoint_below(folder: str) -> str:
    """Return the endpoint of a tuned model in a folder of the object store."""
    return _PREFIX + folder
