"""The Porter stemmer (Porter 1980) with NLTK's departures, which rouge_score stems by."""

from collections.abc import Callable, Sequence
from itertools import pairwise

Rule = tuple[str, str, Callable[[str], bool]]
"""A suffix, what takes its place, and what must hold of the word without the suffix."""

_SHORTEST = 4  # rouge_score leaves shorter words alone
_IRREGULAR = {
    "skies": "sky",
    "dying": "die",
    "lying": "lie",
    "tying": "tie",
    "innings": "inning",
    "outings": "outing",
    "cannings": "canning",
} | {word: word for word in ("news", "inning", "outing", "canning", "howe")}
_IRREGULAR |= {word: word for word in ("proceed", "exceed", "succeed")}


def stem_word(word: str) -> str:
    """Return the stem of a word of lowercase letters and digits."""
    if len(word) < _SHORTEST:
        return word
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for step in (_plurals, _past, _last_y, _double_suffixes, _suffixes, _residues, _last_e):
        word = step(word)
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word


def _is_consonant(word: str, at: int) -> bool:
    if word[at] == "y":
        return at == 0 or not _is_consonant(word, at - 1)
    return word[at] not in "aeiou"


def _measure(stem: str) -> int:
    """Return how often a vowel is followed by a consonant."""
    kinds = [_is_consonant(stem, at) for at in range(len(stem))]
    return sum(after and not before for before, after in pairwise(kinds))


def _has_measure(stem: str) -> bool:
    return _measure(stem) > 0


def _is_long(stem: str) -> bool:
    return _measure(stem) > 1


def _has_vowel(stem: str) -> bool:
    return not all(_is_consonant(stem, at) for at in range(len(stem)))


def _ends_short(word: str) -> bool:
    """Tell whether it ends in consonant, vowel, consonant but w, x, y; NLTK adds vowel, consonant.

    The addition is for words of two letters only.
    """
    kinds = [_is_consonant(word, at) for at in range(len(word))]
    if len(word) == 2:  # noqa: PLR2004
        return kinds == [False, True]
    return kinds[-3:] == [True, False, True] and word[-1] not in "wxy"


def _apply(word: str, rules: Sequence[Rule]) -> str:
    """Change the word by the first rule whose suffix it has, if that rule's condition holds."""
    for suffix, replacement, holds in rules:
        if word.endswith(suffix):
            stem = word[: len(word) - len(suffix)]
            return stem + replacement if holds(stem) else word
    return word


def _always(_: str) -> bool:
    return True


def _plurals(word: str) -> str:
    if word.endswith("ies") and len(word) == 4:  # noqa: PLR2004  (dies, but flies)
        return word[:-1]
    rules = (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", ""))
    return _apply(word, [(*rule, _always) for rule in rules])


def _past(word: str) -> str:
    if word.endswith("ied"):
        return word[:-1] if len(word) == 4 else word[:-2]  # noqa: PLR2004  (died, but spied)
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        stem = word.removesuffix(suffix)
        if stem != word and _has_vowel(stem):
            return _mended(stem)
    return word


def _mended(stem: str) -> str:
    """Give back what a stem lost together with -ed or -ing."""
    if stem.endswith(("at", "bl", "iz")):
        return stem + "e"
    if len(stem) > 1 and stem[-1] == stem[-2] and _is_consonant(stem, len(stem) - 1):
        return stem if stem[-1] in "lsz" else stem[:-1]
    return stem + "e" if _measure(stem) == 1 and _ends_short(stem) else stem


def _last_y(word: str) -> str:
    stem = word.removesuffix("y")
    is_changed = stem != word and len(stem) > 1 and _is_consonant(stem, len(stem) - 1)
    return stem + "i" if is_changed else word


_DOUBLE = (
    *(("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize")),
    *(("bli", "ble"), ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous")),
    *(("ization", "ize"), ("ation", "ate"), ("ator", "ate"), ("alism", "al"), ("iveness", "ive")),
    *(("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"), ("iviti", "ive")),
    *(("biliti", "ble"), ("fulli", "ful")),
)


def _double_suffixes(word: str) -> str:
    if word.endswith("alli") and _has_measure(word[:-4]):
        return _double_suffixes(word[:-2])
    rules: list[Rule] = [(*rule, _has_measure) for rule in _DOUBLE]
    # The l counts with the stem, so that "geology" and "theology" lose their end, too.
    return _apply(word, [*rules, ("logi", "log", lambda stem: _has_measure(f"{stem}l"))])


_SINGLE = (
    *(("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic")),
    *(("ful", ""), ("ness", "")),
)


def _suffixes(word: str) -> str:
    return _apply(word, [(*rule, _has_measure) for rule in _SINGLE])


_BEFORE_ION = ("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent")
_AFTER_ION = ("ou", "ism", "ate", "iti", "ous", "ive", "ize")


def _residues(word: str) -> str:
    ion: Rule = ("ion", "", lambda stem: _is_long(stem) and stem[-1] in "st")
    before, after = (
        [(suffix, "", _is_long) for suffix in suffixes] for suffixes in (_BEFORE_ION, _AFTER_ION)
    )
    return _apply(word, [*before, ion, *after])


def _last_e(word: str) -> str:
    stem = word.removesuffix("e")
    if stem == word:
        return word
    measure = _measure(stem)
    return stem if measure > 1 or (measure == 1 and not _ends_short(stem)) else word
