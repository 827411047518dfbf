"""Exact duplicates, in the sense a preset gives to "exact". Pure."""

from collections.abc import Iterable

from service.datasets.presets.preset import Draft

NumberedDraft = tuple[int, Draft]


def deduplicate(drafts: Iterable[NumberedDraft]) -> tuple[list[NumberedDraft], list[int]]:
    """Return one draft of each identity, in the order of their rows, and the rows left out.

    Of equal ones the first in alphabetical order stays, so that the order of the rows does not
    decide which spelling a dataset keeps.
    """
    kept: dict[tuple[str, str], NumberedDraft] = {}
    dropped: list[int] = []
    for candidate in drafts:
        identity = candidate[1].identity
        known = kept.get(identity)
        if known is None:
            kept[identity] = candidate
            continue
        better, worse = sorted((known, candidate), key=_spelling)
        kept[identity] = better
        dropped.append(worse[0])
    return sorted(kept.values(), key=lambda each: each[0]), sorted(dropped)


def _spelling(numbered: NumberedDraft) -> tuple[str, str, tuple[str, ...], str, int]:
    row, draft = numbered
    return draft.text, draft.target, draft.references, draft.group, row
