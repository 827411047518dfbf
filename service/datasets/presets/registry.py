"""All presets, by name."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from service.datasets.presets.chat_forms import RowForm, chat_preset
from service.datasets.presets.classification import classification_preset
from service.datasets.presets.definition import PresetDefinition, defined_preset
from service.datasets.presets.extraction import extraction_preset
from service.datasets.presets.generic import generic_preset
from service.datasets.presets.groups import grouped_by, refuse_two_groups
from service.datasets.presets.options import PresetOptions, SquadOptions, Template
from service.datasets.presets.pii import pii_preset
from service.datasets.presets.preference_forms import preference_preset
from service.datasets.presets.preset import Preset
from service.datasets.presets.sentiment import sentiment_preset
from service.datasets.presets.squad import squad_preset
from service.errors import Fault, Invalid
from service.registry import Registry

PresetMaker = Callable[[PresetOptions], Preset]


def _generic(options: PresetOptions) -> Preset:
    options.allow_only("template", "form", preset="generic")
    if options.form is None:
        return generic_preset(options.template)
    if options.template is not None:
        message = "rows that are chats already need no template; leave it out"
        fault = Fault("/spec/template", "template_not_allowed", message)
        raise Invalid(message, code="template_not_allowed", faults=[fault])
    return preference_preset() if options.form is RowForm.PREFERENCE else chat_preset(options.form)


PRESETS: Registry[PresetMaker] = Registry(
    "preset",
    {
        "pii": pii_preset,
        "squad": squad_preset,
        "sentiment": sentiment_preset,
        "generic": _generic,
        "classification": classification_preset,
        "extraction": extraction_preset,
    },
)


def choose_preset(  # noqa: PLR0913  the options of a spec, by their names
    name: str,
    *,
    template: Template | None,
    columns: Iterable[str],
    form: RowForm | None = None,
    labels: tuple[str, ...] | Literal["train"] = (),
    target_schema: Mapping[str, Any] | None = None,
    instruction: str | None = None,
    squad: SquadOptions | None = None,
    definition: PresetDefinition | None = None,
    group: str | None = None,
) -> Preset:
    """Return the preset a spec names or defines, if it fits the rest of the spec.

    A definition goes with the name `generic` and with no other words; `group` names what a split
    keeps together. Raises Invalid `unknown_preset`, `template_required`, `labels_required`,
    `template_not_allowed` and others like it, `unknown_column`.
    """
    make = PRESETS.find(name, pointer="/spec/preset")
    options = PresetOptions(template, form, labels, target_schema, instruction, squad)
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
