"""What a spec says about its task, beside the preset's name."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from service.datasets.presets.chat_forms import RowForm
from service.datasets.presets.template import Template
from service.errors import Fault, Invalid


@dataclass(frozen=True, slots=True)
class PresetWords:
    """Each preset takes some of these and refuses the others."""

    template: Template | None = None
    form: RowForm | None = None
    labels: tuple[str, ...] = ()
    target_schema: Mapping[str, Any] | None = None

    def only(self, *allowed: str, preset: str) -> None:
        """Raise Invalid `template_not_allowed`, `labels_not_allowed` … for what is not allowed."""
        for each in fields(self):
            if each.name not in allowed and getattr(self, each.name):
                message = f"the preset {preset!r} has its own words; leave the {each.name} out"
                code = f"{each.name}_not_allowed"
                fault = Fault(f"/spec/{each.name}", code, message)
                raise Invalid(message, code=code, faults=[fault])


def required(name: str, message: str) -> Invalid:
    """Return the error for words that a preset cannot do without."""
    code = f"{name}_required"
    return Invalid(message, code=code, faults=[Fault(f"/spec/{name}", code, message)])
