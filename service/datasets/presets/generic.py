"""Any task: the spec's own template makes texts and targets of columns."""

from collections.abc import Mapping

from service.datasets.examples import fold
from service.datasets.presets.options import Template, fill, filled_too_long
from service.datasets.presets.preset import Converted, ConvertedExample, Preset
from service.errors import Fault, Invalid


def generic_preset(template: Template | None) -> Preset:
    """Return the preset of a template. Raises Invalid `template_required`."""
    if template is None:
        message = "the preset 'generic' needs a template, or a form for rows that are chats"
        fault = Fault("/spec/template", "template_required", message)
        raise Invalid(message, code="template_required", faults=[fault])

    def convert(fields: Mapping[str, str]) -> Converted:
        if problem := filled_too_long(fields, template.text, template.target, template.group):
            return problem
        text = fill(template.text, fields).strip()
        target = fill(template.target, fields).strip()
        group = fold(fill(template.group, fields)) or fold(text)
        return ConvertedExample(text, target, (target,), group, (text, target))

    return Preset(
        name="generic",
        instruction=template.instruction,
        columns=template.columns,
        metrics=("exact_match", "sacrebleu_by_script"),
        convert=convert,
        near_groups=not template.group,
        pointer="/spec/template",
    )
