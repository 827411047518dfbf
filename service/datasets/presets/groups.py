"""What a split keeps together, where a spec does not leave that to the preset."""

from collections.abc import Mapping
from dataclasses import replace

from service.datasets.examples import fold
from service.datasets.presets.preset import Converted, ConvertedExample, Preset
from service.errors import Fault, Invalid


def grouped_by(preset: Preset, group: str) -> Preset:
    """Return the preset with other groups: one of its grains, or the values of a column.

    Where the column of a row is empty, the row has the preset's own group.
    """
    if not preset.grains:
        return _by_column(preset, group)
    default, *_ = preset.grains
    if group == default:
        return preset
    return _by_other_grain(preset, group) if group in preset.grains else _by_column(preset, group)


def _by_other_grain(preset: Preset, grain: str) -> Preset:
    def convert(fields: Mapping[str, str]) -> Converted:
        found = preset.convert(fields)
        if isinstance(found, ConvertedExample) and found.other_group:
            return replace(found, group=found.other_group, other_group=found.group)
        return found

    others = (name for name in preset.grains if name != grain)
    return replace(preset, convert=convert, grains=(grain, *others))


def _by_column(preset: Preset, column: str) -> Preset:
    def convert(fields: Mapping[str, str]) -> Converted:
        found, group = preset.convert(fields), fold(fields[column])
        if isinstance(found, ConvertedExample) and group:
            return replace(found, group=group, other_group=found.group)
        return found

    known = (*preset.columns, *preset.optional_columns)
    columns = preset.columns if column in known else (*preset.columns, column)
    own = preset.grains[:1] or ("" if preset.near_groups else "preset",)
    return replace(
        preset, columns=columns, convert=convert, near_groups=False, grains=(column, *own)
    )


def refuse_two_groups(template_group: str, *, where: str) -> None:
    """Raise Invalid `group_not_allowed` if the group is given by the option and by a template."""
    if template_group:
        message = f"{where} names a group already; leave it or the option `group` out"
        fault = Fault("/spec/group", "group_not_allowed", message)
        raise Invalid(message, code="group_not_allowed", faults=[fault])
