"""Patterns of the values that extraction knows by the name of their key."""

import re

from emulator.learners.patterns import (
    AMOUNT,
    CLOCK,
    DATE,
    EMAIL,
    MASKED,
    PHONE,
    URL,
    Found,
    find_all,
)

_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day\b"
_WORDS = r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
_COUNT = rf"(?:\d{{1,2}}|{_WORDS})"
_AWAY = rf"{_COUNT} (?:days?|weeks?|months?)"
_RELATIVE = (
    rf"\b(?:in {_AWAY}(?: and {_AWAY})?|{_AWAY} from (?:now|today|tomorrow)"
    rf"|today|tomorrow|tonight|(?:next |this )?{_WEEKDAY}(?:,? {DATE})?)"
)
# A count before a time of day is part of that time, and a table may stand for a party.
_GUESTS = r"people|persons?|adults?|guests?|kids|children|friends|diners|of us|pax"
_NO_TIME = r"(?![:.]\d|\d| ?[ap]\.?m\b| o'clock| in the | (?:days?|weeks?)\b)"
_INTRODUCED = r"\b(?:name(?:'s| is| of| will be)?|under|for|I'm|I am|It's|[Tt]his is) "
_INITIAL = r"[A-Z][a-z][\w'-]*"
VALUES: dict[str, tuple[re.Pattern[str], ...]] = {
    kind: tuple(re.compile(pattern) for pattern in patterns)
    for kind, patterns in {
        "date": (rf"(?i:{_RELATIVE})|\b{DATE}(?!\w)|\b\d{{4}}/\d{{2}}/\d{{2}}\b",),
        "time": (rf"{CLOCK}|\b(?:noon|midnight|\d{{1,2}} in the (?:morning|evening))\b",),
        "people": (
            rf"(?i:\b({_COUNT})(?= (?:{_GUESTS})\b))",
            rf"(?i:\b(?:for|of) ({_COUNT})\b{_NO_TIME})",
        ),
        "email": (EMAIL,),
        "phone": (PHONE,),
        "amount": (AMOUNT,),
        "total": (AMOUNT,),
        "first_name": (rf"{_INTRODUCED}({_INITIAL})(?= {_INITIAL})", rf"name is ({_INITIAL})"),
        "last_name": (rf"{_INTRODUCED}{_INITIAL} ({_INITIAL})", rf"last name is ({_INITIAL})"),
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
