"""Patterns the base rules know: what personal data looks like, in order of trust."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from emulator.learners.rules.lexicons import COMPANY, COUNTRY, NATIONALITY, WEEKDAY

MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
DATE = (
    r"(?:\d{4}-\d{2}-\d{2}(?:T[\d:.]+)?|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}"
    rf"|(?:\d{{1,2}}(?:st|nd|rd|th)?(?: of)? )?{MONTH}"
    r"(?: ?\d{1,2}(?:st|nd|rd|th)?\b)?(?:,? ?\d{4}\b)?)"
)
# Bounded, for without an @ an unbounded run of letters is searched from each of its letters.
EMAIL = r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"
URL = r"(?:https?://|www\.)[^\s,;)]+[\w/]"
_NOON = r"(?:[AaPp]\.[Mm]\b\.?|[AaPp][Mm]\b)"
CLOCK = (
    rf"\b\d{{1,2}}:\d{{2}}(?::\d{{2}})?(?: ?{_NOON})?"
    rf"|\b\d{{1,2}}\.\d{{2}} ?{_NOON}|\b\d{{1,2}} ?{_NOON}"
)
PHONE = r"(?<!\w)(?!\d{4}-\d\d-\d\d\b)\+?\(?\d[\d ()./-]{6,}\d\b"
AMOUNT = r"(?<=[$€£¥₹₽])\s?\d[\d,]*(?:\.\d+)?k?\b|\b\d{1,3}(?:,\d{3})+(?:\.\d+)?\b"
STREET = (
    r"\b\d+ (?:[A-Z][\w'.-]+ ){1,3}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Drive|Boulevard|Blvd|Court|Way|Place)\b\.?"
)
GREETED = (
    r"(?:(?<=Mr\. )|(?<=Ms\. )|(?<=Dr\. )|(?<=Mrs\. )|(?<=Dear )|(?<=Hello )|(?<=Hi )"
    r"|(?<=regards, )|(?<=Best, )|(?<=Regards, )|(?<=name is ))[A-Z][\w'-]+(?: [A-Z][\w'-]+)?"
)

MASKED: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("EMAIL", EMAIL),
        ("URL", URL),
        ("IPV6", r"\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b"),
        ("MAC", r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b"),
        ("IPV4", r"\b(?:\d{1,3}\.){3}\d{1,3}\b"),
        ("IBAN", r"\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b"),
        ("PHONEIMEI", r"\b(?:\d{2}-\d{6}-\d{6}-\d|\d{6}/\d\d/\d{6}/\d)\b"),
        ("CREDITCARDNUMBER", r"\b(?:\d{4}[ -]?){3}\d{1,7}\b"),
        ("SSN", r"\b\d{3}-\d{2}-\d{4}\b"),
        ("DATE", rf"\b{DATE}(?!\w)"),
        ("TIME", CLOCK),
        ("PHONENUMBER", PHONE),
        ("CURRENCYSYMBOL", r"[$€£¥₹₽](?=\s?\d)"),
        ("AMOUNT", AMOUNT),
        ("COUNTRY", COUNTRY),
        ("NATIONALITY", NATIONALITY),
        ("WEEKDAY", WEEKDAY),
        ("COMPANY", COMPANY),
        ("AGE", r"\b\d{1,3}(?=[ -]years?[ -]old)"),
        ("STREET", STREET),
        ("PREFIX", r"\b(?:Mr|Mrs|Ms|Dr|Prof)\b\.?|\bMiss\b"),
        ("NAME", GREETED),
        ("PERSON", r"(?<=[a-z,] )[A-Z][a-z]+ [A-Z][a-z]+\b"),
        ("USERNAME", r"\b[A-Za-z]+[._]?[A-Za-z]*\d+\b"),
        ("CAPITALISED", r"(?<=[a-z,] )[A-Z][\w'-]*[a-z][\w'-]*(?: [A-Z][\w'-]+)*"),
        ("NUMBER", r"\b\d[\d-]{2,}\b"),
    )
)


class Found(NamedTuple):
    """A piece of text and the kind of the pattern that found it."""

    start: int
    end: int
    kind: str


def find_personal(text: str) -> list[Found]:
    """Return the pieces that look like personal data, in order, none overlapping another."""
    return find_all(text, MASKED)


def find_all(text: str, patterns: Sequence[tuple[str, re.Pattern[str]]]) -> list[Found]:
    """Return what patterns find, or their last group, the earlier patterns first."""
    found, taken = [], bytearray(len(text))
    for kind, pattern in patterns:
        for match in pattern.finditer(text):
            start, end = match.span(match.lastindex or 0)
            if start < end and not any(taken[start:end]):
                taken[start:end] = b"\x01" * (end - start)
                found.append(Found(start, end, kind))
    return sorted(found)


_DAY = r"\b(?:today|tomorrow|tonight|(?:next |this )?(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b"
# No wider than the prototype's: an un-tuned model that knew how bookings of one data set are
# worded would leave nothing to learn.
VALUES: dict[str, tuple[re.Pattern[str], ...]] = {
    kind: tuple(re.compile(pattern) for pattern in patterns)
    for kind, patterns in {
        "date": (rf"\b{DATE}(?!\w)|{_DAY}",),
        "time": (rf"{CLOCK}|\b(?:noon|midnight|\d{{1,2}} in the (?:morning|evening))\b",),
        "people": (
            r"\b\d{1,2}\b(?= (?:people|adults|persons|guests|of us))",
            r"(?:(?<=for )|(?<=of ))\d{1,2}\b",
        ),
        "email": (EMAIL,),
        "phone": (PHONE,),
        "amount": (AMOUNT,),
        "total": (AMOUNT,),
        "first_name": (r"(?:(?<=name is )|(?<=I'm )|(?<=It's ))[A-Z]\w+",),
        "last_name": (r"(?:(?<=[A-Z][a-z]{3} )|(?<=name is ))[A-Z]\w+$",),
        "name": (r"[A-Z]\w+ [A-Z][\w'-]+",),
        "city": (r"(?<=in )[A-Z]\w+|(?<=to )[A-Z]\w+",),
        "url": (URL,),
    }.items()
}
_VALUES_THEN_MASKED = (
    *((kind, pattern) for kind, patterns in VALUES.items() for pattern in patterns),
    *MASKED,
)


def find_values(text: str) -> list[Found]:
    """Return the values worth extracting (dates, times, party sizes), then personal data."""
    return find_all(text, _VALUES_THEN_MASKED)
