"""Any task: the spec's own template makes texts and targets of columns."""

import re
from collections.abc import Mapping

from service.datasets.presets.preset import Draft, Preset
from service.datasets.presets.template import Template
from service.datasets.wording import fold
from service.errors import Fault, Invalid

# A name and nothing else: a template looks nothing up in objects. White space around the name is
# stripped afterwards, since a pattern with three ways to match a space takes cubic time.
_PLACEHOLDER = re.compile(r"\{\{([^{}]+)\}\}")


def generic_preset(template: Template | None) -> Preset:
    """Return the preset of a template. Raises Invalid `template_required`."""
    if template is None:
        message = "the preset 'generic' needs a template"
        fault = Fault("/spec/template", "template_required", message)
        raise Invalid(message, code="template_required", faults=[fault])

    def convert(fields: Mapping[str, str]) -> Draft:
        text = _fill(template.text, fields).strip()
        target = _fill(template.target, fields).strip()
        group = fold(_fill(template.group, fields)) or fold(text)
        return Draft(text, target, (target,), group, (text, target))

    return Preset(
        name="generic",
        instruction=template.instruction,
        columns=_names(template.text, template.target, template.group),
        metrics=("exact_match", "sacrebleu"),
        convert=convert,
        pointer="/spec/template",
    )


def _fill(template: str, fields: Mapping[str, str]) -> str:
    """Replace the placeholders in one pass: what a value holds is never filled in again."""
    return _PLACEHOLDER.sub(lambda found: fields[found[1].strip()], template)


def _names(*templates: str) -> tuple[str, ...]:
    found = (name.strip() for template in templates for name in _PLACEHOLDER.findall(template))
    return tuple(dict.fromkeys(found))
