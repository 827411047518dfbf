"""Detection of a text file's encoding by its bytes; see decision 0023."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.datasets.formats.options import EncodingName
from service.errors import Fault, Invalid
from service.files.contents import HEAD_BYTES, wide_encoding

_BLOCK_BYTES = 1 << 20
_ESCAPED_JAPANESE = b"\x1b$B"  # of ISO-2022-JP, whose bytes are those of ASCII
# Of these, valid UTF-8 beyond ASCII is no text: two bytes of it are a letter and a sign.
_SINGLE_BYTE = frozenset(
    each for each in EncodingName if each.startswith(("cp125", "iso8859", "koi8", "latin"))
)
_BROKEN = re.compile("[\udc80-\udcff]")
_BEYOND_ASCII = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")
_SAMPLE_BYTES = 1 << 16
# What is read as Windows-1252 and is not: bytes without a character, scripts of their own (three
# and more characters beyond ASCII in a row), signs and capitals within words.
_UNDEFINED = "\ufffd"
_OTHER_SCRIPT = re.compile(r"[^\x00-\x7f]{3,}")
_SIGN_IN_WORD = re.compile(
    "[A-Za-zÀ-ÿ][\xa1-\xa9\xab-\xb3\xb5\xb6\xb8\xb9\xbb-\xbf\xd7\xf7\u02c6\u02dc\u2020\u2021\u2030][a-z]"
    "|(?<![\\w\xb0])[\xa5\xaf\xb1\xb3\xb6\xb8-\xba\xbc\xbe][a-z]"
)
_CAPITAL_IN_WORD = re.compile(r"[a-z][À-ÖØ-ÞŠŒŽŸ]")
# Letters where no language of Windows-1252 has them: they are others in Baltic, Croatian, Slovene,
# Slovak, Hungarian and Romanian texts, in those of DOS, and a euro in ISO 8859-15.
_MISPLACED = re.compile(
    r"[a-z]ç[b-df-hj-np-tv-z]|è[aiou]|\w{2}[âîû](?![\w'\u2019])|\b(?:[ïÏð]|î[mnt])"
    r"|[õû]\w*[öü]|[öü]\w*[õû]|[a-z][„”][a-z]|Ÿ[a-z]|[a-z]Ÿ|\d ?¤|¤ ?\d"
)
# As `_MISPLACED`, but in Icelandic, which has accents that Croatian and Lithuanian texts lack.
_AE_BEFORE_VOWEL = re.compile("[a-z]æ[aiou]")
_ICELANDIC_VOWEL = re.compile("[íúý]")
_HIGH = re.compile(r"[^\x00-\x7f]")
_TOLERATED = 0.03
# Signs, and rare letters in places where Italian, French and Portuguese do not have them: these
# bytes are frequent letters in other encodings.
_AMBIGUOUS = re.compile(
    r"[\xa2\xa4\xa6\xa8\xac\xaf\xb1\xb6\xb8\xb9\xbe\xd0\xd7\xdd\xde\xf0\xf7\xfd\xfe]"
    r"|[\u02c6\u02dc\u2020\u2021\u2030]|[\xec\xf2\xf9\xcc\xd2\xd9](?=\w)|[\xf5\xd5](?![eE])"
)
# Icelandic has accents beside these letters, which in Turkish encodings are others.
_ICELANDIC = re.compile("[ðþýÐÞÝ]")
_WITH_ICELANDIC = re.compile("[áíúæÁÍÚÆ]")
_HUNGARIAN = re.compile("[õûÕÛ]")
_WITH_HUNGARIAN = re.compile("[öüÖÜ]")
_CLOSE = 0.1  # of two readings in the measures of charset-normalizer


@dataclass(frozen=True, slots=True)
class Encoding:
    """`validated`: every byte was seen to be part of a character. `assumed`: by likelihood."""

    name: str
    validated: bool
    assumed: bool = False


def detect_encoding(path: Path) -> Encoding:
    """Return UTF-8, UTF-16, UTF-32 or `cp1252`; raises Invalid `unknown_encoding` for another.

    A byte order mark decides, or the NUL bytes of UTF-16. Otherwise it is UTF-8, even if damaged;
    only if invalid bytes outnumber the valid characters beyond ASCII, it is Windows-1252, where
    that reads as text.
    """
    if wide := _wide(path):
        return wide
    if _ESCAPED_JAPANESE in next(_blocks(path), b""):
        raise _not_certain("perhaps iso2022_jp")
    if _is_utf8(path):
        return Encoding("utf-8-sig", validated=True)
    return _marked(path) or _by_counting(path)


def named_encoding(path: Path, name: EncodingName) -> Encoding:
    """Return the encoding that is named; a byte order mark decides against it.

    Raises Invalid `encoding_is_utf_8` where another is named for a file of valid UTF-8.
    """
    marked = _wide(path) or _marked(path)
    if marked is not None and not marked.assumed:
        return marked
    if name in _SINGLE_BYTE and _is_utf8(path) and not all(map(bytes.isascii, _blocks(path))):
        message = f"the file is UTF-8 and not {name}, as the format says; leave `encoding` out"
        fault = Fault("/spec/source/format/encoding", "encoding_is_utf_8", message)
        raise Invalid(message, code="encoding_is_utf_8", faults=[fault])
    known = "utf-8-sig" if name is EncodingName.UTF_8 else name.value
    return Encoding(known, validated=False)


def _wide(path: Path) -> Encoding | None:
    name = wide_encoding(_head(path))
    return Encoding(name, validated=False, assumed=name.startswith("utf-16-")) if name else None


def _marked(path: Path) -> Encoding | None:
    marked = _head(path).startswith(codecs.BOM_UTF8)
    return Encoding("utf-8-sig", validated=False) if marked else None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def wrongly_encoded(name: str) -> Invalid:
    """Return the error for bytes that an encoding does not have at all."""
    message = f"the file is cut off or is not {name}; save it as UTF-8"
    return Invalid(message, code="wrong_encoding")


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in _blocks(path):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _by_counting(path: Path) -> Encoding:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    broken = beyond = 0
    sample = b""
    for block in _blocks(path):
        if block.isascii():
            continue
        text = decoder.decode(block)
        broken += len(_BROKEN.findall(text))
        beyond += len(_BEYOND_ASCII.findall(text))
        if len(sample) < _SAMPLE_BYTES:
            sample += b"".join(
                each for each in block.splitlines(keepends=True) if not each.isascii()
            )
    if broken <= beyond:
        return Encoding("utf-8-sig", validated=False)
    if reads_as_western(sample[:_SAMPLE_BYTES]):
        return Encoding("cp1252", validated=False, assumed=True)
    raise _unknown(sample[:_SAMPLE_BYTES])


def reads_as_western(sample: bytes) -> bool:
    """Return whether bytes are text of Western Europe in Windows-1252, and of no other encoding.

    Where letters could be those of another encoding, charset-normalizer must find this reading
    about as likely as its best.
    """
    text = sample.decode("cp1252", errors="replace")
    high = _HIGH.findall(text)
    strange = [
        *(each for run in _OTHER_SCRIPT.findall(text) if len(set(run)) > 2 for each in run),  # noqa: PLR2004  a row of dashes is one sign
        *_SIGN_IN_WORD.findall(text),
        *_CAPITAL_IN_WORD.findall(text),
        *_MISPLACED.findall(text),
        *([] if _ICELANDIC_VOWEL.search(text) else _AE_BEFORE_VOWEL.findall(text)),
    ]
    if _UNDEFINED in text or len(strange) > _TOLERATED * len(high):
        return False
    if not _AMBIGUOUS.search(text):
        return True
    if _HUNGARIAN.search(text) and _WITH_HUNGARIAN.search(text):
        return False
    if _ICELANDIC.search(text) and not _WITH_ICELANDIC.search(text):
        return False
    return _is_likely(sample, text)


def _is_likely(sample: bytes, text: str) -> bool:
    from charset_normalizer import from_bytes

    matches = from_bytes(sample)
    best = matches.best()
    if best is None or str(best) == text:
        return best is not None
    ours = next((each for each in matches if str(each) == text), None)
    return (
        ours is not None
        and ours.chaos <= best.chaos + _CLOSE
        and ours.coherence >= best.coherence - _CLOSE
    )


# Not the one that was ruled out, nor its sibling.
_GUESSED = frozenset(EncodingName) - {EncodingName.WINDOWS_1252, EncodingName.LATIN_1}


def _unknown(sample: bytes) -> Invalid:
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    known = best is not None and best.coherence > 0 and best.encoding in _GUESSED
    return _not_certain(f"perhaps {best.encoding}" if best and known else "")


def _not_certain(guess: str) -> Invalid:
    shown = f" ({guess})" if guess else ""
    message = (
        f"the file is not UTF-8, and its encoding is not certain{shown}; save it as UTF-8, "
        f"or name `encoding` in the format: {', '.join(EncodingName)}"
    )
    fault = Fault("/spec/source/format/encoding", "unknown_encoding", message)
    return Invalid(message, code="unknown_encoding", faults=[fault])


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(_BLOCK_BYTES), b"")
