"""How much personal data survives a masking."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.evaluation.metrics.pii import PiiLeaks, entities_of
from service.evaluation.metrics.registry import METRICS

SOURCE = "Text: Dear Ann Lee, write to ann.lee@example.org."
MASKED = "Dear [FIRSTNAME] [LASTNAME], write to [EMAIL]."


@pytest.mark.parametrize(
    ("source", "reference", "entities"),
    [
        ("Dear Ann Lee, hello.", "Dear [FIRSTNAME] [LASTNAME], hello.", ["Ann", "Lee"]),
        ("Mail bo@example.org.", "Mail [EMAIL].", ["bo@example.org"]),
        ("Ann", "[NAME]", ["Ann"]),
        ("Ann Lee", "[NAME][NAME]", ["Ann", "Lee"]),
        ("no data", "no data", []),
        ("see  Ann here", "See [NAME] here", ["Ann"]),
        ("", "[NAME]", []),
    ],
)
def test_what_is_personal_is_what_the_reference_has_placeholders_for(
    source: str, reference: str, entities: list[str]
) -> None:
    assert entities_of(source, reference) == entities


@pytest.mark.parametrize(
    ("answer", "entities", "characters"),
    [
        (MASKED, 0, 0),
        ("", 0, 0),
        ("Dear X, write to Y.", 0, 0),
        ("Dear Ann [LASTNAME], write to [EMAIL].", 1, 3),
        ("Dear [FIRSTNAME] [LASTNAME], write to [EMAIL]@example.org.", 1, 10),
        (SOURCE, 3, 22),
        ("Dear ANN lee, write to ann.lee@example.org.", 3, 22),
    ],
)
def test_entities_and_characters_that_survive_are_counted(
    answer: str, entities: int, characters: int
) -> None:
    golds = [[SOURCE.removeprefix("Text: "), MASKED]]

    ((leaked, everything),) = PiiLeaks().statistics([answer], golds)
    ((kept, all_characters),) = PiiLeaks(by_character=True).statistics([answer], golds)

    assert (leaked, everything) == (entities, 3)
    assert (kept, all_characters) == (characters, 22)


def test_a_residue_of_half_a_word_leaks_and_a_shorter_one_does_not() -> None:
    golds = [["id 12345678 there", "id [NUMBER] there"]]

    assert PiiLeaks().statistics(["id [NUMBER]5678 there"], golds)[0, 0] == 1
    assert PiiLeaks().statistics(["id [NUMBER]678 there"], golds)[0, 0] == 0


def test_words_that_the_reference_keeps_are_no_leak() -> None:
    golds = [["May said: come in May", "[NAME] said: come in May"]]

    assert PiiLeaks().statistics(["[NAME] said: come in May"], golds)[0, 0] == 0
    assert PiiLeaks().statistics(["May said: come in May"], golds)[0, 0] == 1


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_the_rate_stays_within_what_could_have_been(source: str, masked: str, answer: str) -> None:
    spec = METRICS["pii_leak_rate"]
    measure = spec.measure()
    golds = [[source, f"{masked} [NAME]"]]

    rates = [
        float(measure.totals(rows.sum(axis=0)))
        for rows in (measure.best(golds), measure.statistics([answer], golds), measure.worst(golds))
    ]

    assert 0 <= rates[0] <= 100
    assert 0 <= rates[1] <= 100
    assert not spec.higher_is_better
