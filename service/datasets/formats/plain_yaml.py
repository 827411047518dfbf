"""YAML that is data only: no tags that build things, no aliases that stand for gigabytes."""

from typing import Any

import yaml


class _PlainLoader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("no aliases")
        return super().compose_node(parent, index)


def read_yaml(text: str, *, limit_characters: int) -> Any:
    """Return what the text says; raises ValueError that names the line and never the text."""
    if len(text) > limit_characters:
        raise ValueError(f"YAML of more than {limit_characters} characters is not read")
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506  a safe loader, made stricter
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1}" if mark else ""
        raise ValueError(f"this is not plain YAML{place}: no tags, no aliases") from None
