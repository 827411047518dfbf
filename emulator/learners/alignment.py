"""Edits as one tag per source token: find them in a pair of texts, apply them to a text.

After Malmi et al., "Encode, Tag, Realize" (EMNLP 2019): a tag keeps its token or names the phrase
that its whole segment becomes. Phrases inserted between kept tokens are not expressed.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from emulator.learners.tokens import Token, join_tokens

KEEP = "="


def edit_tags(source: Sequence[Token], target: Sequence[Token]) -> list[str]:
    """Return one tag per source token: KEEP, or the phrase its segment becomes ("" drops it)."""
    before, after = [token.word for token in source], [token.word for token in target]
    tags = [KEEP] * len(before)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, end, target_start, target_end in matcher.get_opcodes():
        if kind in ("replace", "delete"):
            old, new = source[start:end], target[target_start:target_end]
            tags[start:end] = _segment_tags(old, new)
    return tags


def _segment_tags(old: Sequence[Token], new: Sequence[Token]) -> list[str]:
    """Tag one replaced segment line by line where the lines pair up, else as a whole."""
    old_lines, new_lines = _split(old, at="\n"), _split(new, at="\n")
    if len(old_lines) != len(new_lines):
        old_lines, new_lines = [list(old)], [list(new)]
    lines = zip(old_lines, new_lines, strict=True)
    return [tag for before, after in lines for tag in _line_tags(before, after)]


def _line_tags(old: Sequence[Token], new: Sequence[Token]) -> list[str]:
    """Share the new chunks out evenly, in order, over the old ones; with too few, as one phrase."""
    old_chunks, new_chunks = _split(old), _split(new)
    if len(old_chunks) < len(new_chunks):
        return [join_tokens(new)] * len(old)
    phrases = [join_tokens(chunk) for chunk in new_chunks] or [""]
    places = [at * len(phrases) // len(old_chunks) for at in range(len(old_chunks))]
    pairs = zip(old_chunks, places, strict=True)
    return [phrases[place] for chunk, place in pairs for _ in chunk]


def _split(tokens: Sequence[Token], *, at: str = "") -> list[list[Token]]:
    """Split before tokens whose gap holds `at`; by default wherever there is white space."""
    pieces: list[list[Token]] = []
    for token in tokens:
        if not pieces or (token.gap and at in token.gap):
            pieces.append([token])
        else:
            pieces[-1].append(token)
    return pieces


def apply_tags(tokens: Sequence[Token], tags: Sequence[str]) -> str:
    """Rewrite a text by its tags; neighbours with the same phrase become that phrase once."""
    pieces, previous = [], KEEP
    for token, tag in zip(tokens, tags, strict=True):
        if tag == KEEP:
            pieces.append(token.gap + token.word)
        elif tag and tag != previous:
            pieces.append(token.gap + tag)
        previous = tag
    return "".join(pieces).strip()


def best_path(scores: NDArray[np.float32], transitions: NDArray[np.float32]) -> list[int]:
    """Return the most likely sequence of columns (Viterbi); `scores` is steps x tags, in logs."""
    if not len(scores):
        return []
    total, back = scores[0], []
    for row in scores[1:]:
        options = total[:, None] + transitions
        best = options.argmax(axis=0)
        back.append(best)
        total = options[best, np.arange(len(row))] + row
    path = [int(total.argmax())]
    for best in reversed(back):
        path.append(int(best[path[-1]]))
    return path[::-1]
