"""What shots change: on average they help, by rules that can be named."""

import random
from collections.abc import Sequence

import pytest

from emulator.learners.rules.base_model import NO_RULE, answer_base
from tests.emulator.learners import pairs
from tests.emulator.learners.pairs import ANSWER, CLASSIFY, MASK, Pair, Task

ROWS = 150
SENTIMENT = "Classify the sentiment of the text. Return only its code.\n\nText: "
LISTED = f"{MASK}\nLabels: CITY, DAY, EMAIL\n\nText: "
CONTEXT = "The old abbey is ruled by a council of monks. It has nine bells."


def ask(prompt: str, shots: Sequence[Pair] = ()) -> str:
    shown = [turn for asked, answer in shots for turn in (("user", asked), ("model", answer))]
    return answer_base([*shown, ("user", prompt)])


def gain(task: Task, count: int) -> float:
    """Return how far random shots, drawn anew for each row, lift the score above the base's."""
    chance = random.Random(count)  # noqa: S311  repeatable draws, nothing secret
    rows = task.test[:ROWS]
    plain = [ask(prompt) for prompt, _ in rows]
    shown = [ask(prompt, chance.sample(task.train, count)) for prompt, _ in rows]
    return task.score(shown, rows) - task.score(plain, rows)


@pytest.mark.parametrize("count", [3, 10])
def test_masking_shots_help_on_templates_never_seen(count: int) -> None:
    assert gain(pairs.masking(), count) > 0


@pytest.mark.parametrize("count", [3, 10])
def test_question_shots_help_on_articles_never_seen(count: int) -> None:
    assert gain(pairs.questions()._replace(score=pairs.accuracy), count) > 0.5


def test_shots_teach_sentiment_labels_that_name_nothing() -> None:
    task = pairs.tweets()
    codes = {"positive": "4", "neutral": "2", "negative": "0"}
    train, test = (
        [(SENTIMENT + prompt.partition("Text: ")[2], codes[label]) for prompt, label in rows]
        for rows in (task.train, task.test)
    )
    coded = Task(train, test, pairs.accuracy)

    assert ask(test[0][0]) == NO_RULE
    assert gain(coded, 3) > 35
    assert gain(coded, 10) > 50


def test_a_shot_of_nearly_the_same_text_decides_its_sentiment() -> None:
    text, other = "the shop opens at nine today", "a train leaves at ten"
    shots = [(CLASSIFY.format(text), "negative"), (CLASSIFY.format("a shop"), "positive")]

    assert ask(CLASSIFY.format(text), shots) == "negative"
    assert ask(CLASSIFY.format(other), shots) == "neutral"


def test_what_is_unsure_is_masked_only_when_shots_show_it() -> None:
    shots = [
        (LISTED + f"We met in {town} on Monday.", "We met in [CITY] on [DAY].") for town in "AB"
    ]
    shots = [
        (prompt.replace(" A ", " Ulm ").replace(" B ", " Bonn "), answer)
        for prompt, answer in shots
    ]
    text = "They stay in Graz on Friday."

    assert ask(LISTED + text) == text
    assert ask(LISTED + text, shots) == "They stay in [CITY] on [DAY]."


def test_one_shot_does_not_outvote_a_listed_label() -> None:
    shots = [(LISTED + "Write to bo@example.org", "Write to [CITY]")]

    assert ask(LISTED + "Ask eva@example.org", shots) == "Ask [EMAIL]"
    assert ask(LISTED + "Ask eva@example.org", shots * 2) == "Ask [CITY]"


def test_question_shots_show_how_long_answers_are() -> None:
    question = ANSWER.format(CONTEXT, "By whom is the abbey ruled?")
    sentence = "The old abbey is ruled by a council of monks."
    shot = ANSWER.format("A barn stands near the river.", "What stands near the river?")
    long = "What stands near the river is a barn."

    assert ask(question) == sentence
    assert ask(question, [(shot, "barn")]) == "council"
    assert ask(question, [(shot, long)]) == sentence
    assert ask(question.replace("monks", "Cistercians")) == "Cistercians"
    assert ask(question.replace("monks", "Cistercians"), [(shot, long)]).endswith("Cistercians.")
