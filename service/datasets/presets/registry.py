"""All presets, by name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from service.datasets.presets.chat_forms import RowForm, chat_preset
from service.datasets.presets.classification import classification_preset
from service.datasets.presets.definition import PresetDefinition, defined_preset
from service.datasets.presets.extraction import extraction_preset
from service.datasets.presets.generic import generic_preset
from service.datasets.presets.groups import grouped_by, refuse_two_groups
from service.datasets.presets.options import PresetOptions, Template
from service.datasets.presets.pii import PII
from service.datasets.presets.preset import Preset
from service.datasets.presets.sentiment import SENTIMENT
from service.datasets.presets.squad import SQUAD
from service.errors import Fault, Invalid
from service.registry import Registry

PresetMaker = Callable[[PresetOptions], Preset]


def _fixed(preset: Preset) -> PresetMaker:
    def make(options: PresetOptions) -> Preset:
        options.allow_only(preset=preset.name)
        return preset

    return make


def _generic(options: PresetOptions) -> Preset:
    options.allow_only("template", "form", preset="generic")
    if options.form is None:
        return generic_preset(options.template)
    if options.template is not None:
        message = "rows that are chats already need no template; leave it out"
        fault = Fault("/spec/template", "template_not_allowed", message)
        raise Invalid(message, code="template_not_allowed", faults=[fault])
    return chat_preset(options.form)


PRESETS: Registry[PresetMaker] = Registry(
    "preset",
    {
        "pii": _fixed(PII),
        "squad": _fixed(SQUAD),
        "sentiment": _fixed(SENTIMENT),
        "generic": _generic,
        "classification": classification_preset,
        "extraction": extraction_preset,
    },
)


def choose_preset(
    name: str,
    *,
    template: Template | None,
    columns: Iterable[str],
    form: RowForm | None = None,
    labels: tuple[str, ...] = (),
    target_schema: Mapping[str, Any] | None = None,
    definition: PresetDefinition | None = None,
    group: str | None = None,
) -> Preset:
    """Return the preset a spec names or defines, if it fits the rest of the spec.

    A definition goes with the name `generic` and with no other words; `group` names what a split
    keeps together. Raises Invalid `unknown_preset`, `template_required`, `labels_required`,
    `template_not_allowed` and others like it, `unknown_column`.
    """
    make = PRESETS.find(name, pointer="/spec/preset")
    options = PresetOptions(template, form, labels, target_schema)
    preset = make(options) if definition is None else _defined(name, definition, options)
    _check_columns(preset, columns)
    if group is None:
        return preset
    for where, given in (("the template", template), ("the definition", definition)):
        refuse_two_groups(given.group if given else "", where=where)
    return grouped_by(preset, group)


def _defined(name: str, definition: PresetDefinition, options: PresetOptions) -> Preset:
    options.allow_only(preset=definition.name)
    if name != "generic" or definition.name in PRESETS:
        message = "a definition goes with the preset 'generic', and has a name of its own"
        fault = Fault("/spec/definition", "definition_not_allowed", message)
        raise Invalid(message, code="definition_not_allowed", faults=[fault])
    return defined_preset(definition)


def _check_columns(preset: Preset, columns: Iterable[str]) -> None:
    known = (*preset.columns, *preset.optional_columns)
    message = f"the preset {preset.name!r} reads {', '.join(known)}"
    faults = [
        Fault(f"/spec/columns/{column[:64]}", "unknown_column", message)
        for column in columns
        if column not in known
    ]
    if faults:
        raise Invalid(message, code="unknown_column", faults=faults)
