"""Which files of a hub dataset hold the rows of a split. Pure."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from service.datasets.formats.class_names import card_class_names
from service.datasets.formats.options import FormatName
from service.datasets.sources.schemas import HubSource
from service.errors import Fault, Invalid

CARD = "README.md"
CARD_BYTES = 1 << 20
_POINTER = "/spec/source"
_FRONT = re.compile(r"\A---\s*\n(.*?)\n---\s*(?:\n|\Z)", re.DOTALL)
_DATA = re.compile(rf"\.(?:{'|'.join(FormatName)})(?:\.(?:gz|zst))?$", re.IGNORECASE)
_ABOUT = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"})
_SPLITS = ("train", "validation", "valid", "dev", "test", "eval")
_CARD_CHARACTERS = 200_000


def select_files(source: HubSource, names: Iterable[str], card: str, *, limit: int) -> list[str]:
    """Return the names of the data files, in order.

    Raises Invalid `hub_wants_code` where only code would make them, `hub_no_files`,
    `unknown_config`, `unsafe_path`, `too_many_files`.
    """
    safe = sorted(name for name in names if is_safe(name))
    patterns = source.files or _declared(source, card)
    data = [name for name in safe if _is_data(name)]
    found = _matching(safe, patterns) if patterns else _by_name(data, source.split)
    if not found:
        raise _no_files(safe, source)
    if len(found) > limit:
        raise _refused("files", "too_many_files", f"{len(found)} files; {limit} may be read")
    return found


def is_safe(path: str) -> bool:
    """Return whether a path stays inside the dataset: relative, no parents, no address."""
    parts = path.split("/")
    return not (
        path.startswith("/") or "\\" in path or "://" in path or ":" in parts[0] or ".." in parts
    )


def check_paths(paths: Iterable[str], *, pointer: str) -> None:
    """Raise Invalid `unsafe_path` for a path that leaves the dataset."""
    for path in paths:
        if not is_safe(path):
            message = "a file is named by its path inside the dataset: no .., no address"
            raise Invalid(
                message, code="unsafe_path", faults=[Fault(pointer, "unsafe_path", message)]
            )


def _is_data(name: str) -> bool:
    hidden = any(part.startswith((".", "_")) for part in name.split("/"))
    return bool(_DATA.search(name)) and not hidden and name.rpartition("/")[2] not in _ABOUT


def _declared(source: HubSource, card: str) -> list[str]:
    """Return the patterns that the dataset's card gives for the configuration and the split."""
    configs = _configs(card)
    config = _chosen_config(source, configs)
    if config is None:
        return []
    patterns = _patterns(config.get("data_files"), source.split)
    check_paths(patterns, pointer=f"{_POINTER}/repo")
    return patterns


def _configs(card: str) -> list[dict[str, Any]]:
    listed = _front_matter(card).get("configs")
    listed = listed if isinstance(listed, list) else []
    return [each for each in listed if isinstance(each, dict) and each.get("data_files")]


def _front_matter(card: str) -> dict[str, Any]:
    from service.datasets.formats.plain_yaml import read_yaml

    found = _FRONT.match(card)
    if not found:
        return {}
    try:
        about = read_yaml(found[1], limit_characters=_CARD_CHARACTERS)
    except ValueError:
        return {}
    return about if isinstance(about, dict) else {}


def declared_class_names(source: HubSource, card: str) -> dict[str, list[str]]:
    """Return the names of classes by column that the card gives for the configuration."""
    about = _front_matter(card).get("dataset_info")
    listed = [each for each in (about if isinstance(about, list) else [about]) if each]
    infos = [each for each in listed if isinstance(each, dict)]
    chosen = [each for each in infos if each.get("config_name", "default") == source.config]
    info = chosen[0] if chosen else infos[0] if len(infos) == 1 else {}
    return card_class_names(info.get("features"))


def _chosen_config(source: HubSource, configs: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    named = {str(each.get("config_name", "default")): each for each in configs}
    if source.config:
        if source.config not in named:
            message = f"no such configuration; the card has {len(named)}"
            raise _refused("config", "unknown_config", message)
        return named[source.config]
    marked = [each for each in configs if each.get("default") is True]
    if marked or "default" in named or len(configs) == 1:
        return marked[0] if marked else named.get("default", configs[0])
    if configs:
        message = f"the card has {len(configs)} configurations; name one"
        raise _refused("config", "config_required", message)
    return None


def _patterns(given: object, split: str) -> list[str]:
    """Return the paths of a split, out of every spelling that cards use."""
    match given:
        case str():
            return [given] if split == "train" else []
        case dict():
            return _paths(given.get(split))
        case list() if all(isinstance(each, dict) for each in given):
            return [
                path
                for each in given
                if each.get("split") == split
                for path in _paths(each.get("path"))
            ]
        case list():
            return _paths(given) if split == "train" else []
        case _:
            return []


def _paths(paths: object) -> list[str]:
    listed = paths if isinstance(paths, list) else [paths]
    return [each for each in listed if isinstance(each, str)]


def _matching(names: Sequence[str], patterns: Iterable[str]) -> list[str]:
    normalised = [pattern.removeprefix("./").replace("**/", "*") for pattern in patterns]
    return [name for name in names if any(fnmatchcase(name, each) for each in normalised)]


def _by_name(data: Sequence[str], split: str) -> list[str]:
    """Return files named after the split; where none is named after any, all are for training."""
    of_split = [name for name in data if _names(name, split)]
    if of_split or split != "train":
        return of_split
    return [name for name in data if not any(_names(name, other) for other in _SPLITS)]


def _names(path: str, split: str) -> bool:
    return re.search(rf"(?:^|[/._-]){re.escape(split)}(?:[/._-]|$)", path) is not None


def _no_files(names: Sequence[str], source: HubSource) -> Invalid:
    if any(name.endswith(".py") for name in names) and not any(map(_is_data, names)):
        message = (
            "the dataset is made by code of its own, which is not run; name a commit with data "
            "files, such as one of its branch refs/convert/parquet"
        )
        return _refused("repo", "hub_wants_code", message)
    message = f"no readable file for the split {source.split!r}; choose by `files`"
    return _refused("files", "hub_no_files", message)


def _refused(name: str, code: str, message: str) -> Invalid:
    fault = Fault(f"{_POINTER}/{name}", code, message)
    return Invalid(message, code=code, faults=[fault])
