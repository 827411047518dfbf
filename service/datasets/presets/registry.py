"""The presets we know, by name."""

from collections.abc import Callable, Iterable

from service.datasets.presets.generic import generic_preset
from service.datasets.presets.pii import PII
from service.datasets.presets.preset import Preset
from service.datasets.presets.sentiment import SENTIMENT
from service.datasets.presets.squad import SQUAD
from service.datasets.presets.template import Template
from service.errors import Fault, Invalid
from service.registry import Registry

PresetMaker = Callable[[Template | None], Preset]


def _fixed(preset: Preset) -> PresetMaker:
    def make(template: Template | None) -> Preset:
        if template is not None:
            message = f"the preset {preset.name!r} has its own words; leave the template out"
            fault = Fault("/spec/template", "template_not_allowed", message)
            raise Invalid(message, code="template_not_allowed", faults=[fault])
        return preset

    return make


PRESETS: Registry[PresetMaker] = Registry(
    "preset",
    {
        "pii": _fixed(PII),
        "squad": _fixed(SQUAD),
        "sentiment": _fixed(SENTIMENT),
        "generic": generic_preset,
    },
)


def choose_preset(name: str, *, template: Template | None, columns: Iterable[str]) -> Preset:
    """Return the preset a spec names, if it fits the rest of the spec.

    Raises Invalid `unknown_preset`, `template_required`, `template_not_allowed`,
    `unknown_column`.
    """
    preset = PRESETS.find(name, pointer="/spec/preset")(template)
    known = (*preset.columns, *preset.optional_columns)
    message = f"the preset {name!r} reads {', '.join(known)}"
    faults = [
        Fault(f"/spec/columns/{column[:64]}", "unknown_column", message)
        for column in columns
        if column not in known
    ]
    if faults:
        raise Invalid(message, code="unknown_column", faults=faults)
    return preset
