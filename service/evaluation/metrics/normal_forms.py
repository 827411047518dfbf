"""Forms of a text in which answers that mean the same are equal."""

import re
import unicodedata

# The last mark of a sentence in Latin, Greek, CJK, Arabic, Urdu and Devanagari texts.
_FINAL_MARKS = ".,;:!?…。．！？，；：｡؟۔؛।"  # noqa: RUF001 - they are meant
# Emphasis of Markdown and quotation marks around a whole text, each without itself inside.
_DRESSED = re.compile(
    r"\A(\*{1,3}|_{1,3}|`{1,3}|[\"'])(?P<bare>(?:(?!\1).)+)\1\Z"
    r"|\A[\u201c\u201e\u00ab\u300c\u300e\u2018](?P<quoted>[^\u201c-\u201e\u00ab\u00bb\u300c-\u300f]+)"
    r"[\u201c\u201d\u00bb\u300d\u300f\u2019]\Z",
    re.DOTALL,
)
_WIDE = re.compile("[\uff01-\uffef\u3000]+")  # full-width Latin and digits, half-width kana
_DIGIT = re.compile(r"\d")
# Characters without width that come with text that was copied; those that join letters stay.
_INVISIBLE = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufe0e\ufe0f\ufeff]"
)
_FENCE = re.compile(r"\A```[^\n`]*\n(.*?)\n?[ \t]*```\Z", re.DOTALL)
# Words stand there without spaces between them: Han, kana, Bopomofo, Yi; Thai, Lao, Tibetan,
# Burmese, Khmer; the scripts of the Tai; Balinese, Javanese.
UNSPACED = re.compile(
    "[\u3005\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\u3100-\u312f\u31a0-\u31bf\ua000-\ua4cf\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f"
    "\ua9e0-\ua9ff\uaa60-\uaa7f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\uaa80-\uaadf"
    "\u1b00-\u1b7f\ua980-\ua9df\U00020000-\U0003ffff]"
)


def strip_fence(text: str) -> str:
    """Return what stands in a Markdown code fence, where the whole text is one; outer space off."""
    bare = text.strip()
    found = _FENCE.match(bare)
    return found[1].strip() if found else bare


def normalise(text: str) -> str:
    """Return the normal form of a short answer, in which its dress makes no difference.

    Off are code fence, outer white space, final marks, emphasis and quotation marks around the
    whole, and characters without width; case is folded (`STRASSE` is `straße`), letters are
    composed (Unicode NFC), digits and letters of full width, and digits of other scripts, are
    those of ASCII. A text of nothing but marks keeps them: `?` and `!` may be labels.
    """
    bare = fold_forms(text if text.isascii() else _INVISIBLE.sub("", text)).strip()
    while (peeled := _peel(bare)) != bare:
        bare = peeled
    return bare


def fold_forms(text: str) -> str:
    """Return a text with letters composed, in one case and of one width, and digits of ASCII."""
    if text.isascii():
        return text.casefold()
    narrow = _WIDE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    plain = _DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), narrow)
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", plain).casefold())


def _peel(text: str) -> str:
    bare = strip_fence(text)
    bare = bare.rstrip(_FINAL_MARKS).rstrip() or bare
    found = _DRESSED.match(bare)
    return (found["bare"] or found["quoted"]).strip() or bare if found else bare


def lacks_spaces(text: str) -> bool:
    """Say whether most letters of a text are of scripts that part no words by spaces."""
    return not text.isascii() and 2 * len(UNSPACED.findall(text)) > sum(map(str.isalnum, text))


def fold_label(text: str) -> str:
    """Return a label for comparison: white space around, case and composition of letters aside."""
    return unicodedata.normalize("NFC", text.strip()).casefold()
