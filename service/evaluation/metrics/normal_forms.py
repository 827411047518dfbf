"""Forms of a text in which answers that mean the same are equal."""

import re
import unicodedata

# The last mark of a sentence in Latin, Greek, CJK, Arabic, Urdu and Devanagari texts.
_FINAL_MARKS = ".,;:!?…。．！？，；：｡؟۔؛।"  # noqa: RUF001 - they are meant
_FENCE = re.compile(r"\A```[^\n`]*\n(.*?)\n?[ \t]*```\Z", re.DOTALL)
# Han, kana, Thai, Lao, Khmer, Burmese, Tibetan: words stand there without spaces between them.
UNSPACED = re.compile(
    "[\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\U00020000-\U0003ffff]"
)


def strip_fence(text: str) -> str:
    """Return what stands in a Markdown code fence, where the whole text is one; outer space off."""
    bare = text.strip()
    found = _FENCE.match(bare)
    return found[1].strip() if found else bare


def normalise(text: str) -> str:
    """Return the normal form: no code fence, outer white space or final marks; one case; NFC.

    Case is folded (`STRASSE` is `straße`), letters are composed (Unicode NFC). A text of nothing
    but marks keeps them: `?` and `!` may be labels.
    """
    bare = unicodedata.normalize("NFC", unicodedata.normalize("NFC", strip_fence(text)).casefold())
    return bare.rstrip(_FINAL_MARKS).rstrip() or bare


def fold_label(text: str) -> str:
    """Return a label for comparison: white space around, case and composition of letters aside."""
    return unicodedata.normalize("NFC", text.strip()).casefold()
