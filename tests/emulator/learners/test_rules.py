"""The base model: what its rules answer, and what shots change."""

import json

import pytest

from emulator.learners.rules.base_model import NO_RULE, answer_base
from tests.emulator.learners.pairs import ANSWER, CLASSIFY, MASK

LABELLED = f"{MASK}\nLabels: PREFIX, FIRSTNAME, LASTNAME, EMAIL_ADDRESS, PHONE_NUMBER\n\nText: "


def ask(prompt: str) -> str:
    return answer_base([("user", prompt)])


def test_personal_data_is_masked_with_the_listed_labels() -> None:
    answer = ask(LABELLED + "Dear Ada Lovelace, write to ada@example.org or call 555-0100-222.")

    assert answer == (
        "Dear [FIRSTNAME] [LASTNAME], write to [EMAIL_ADDRESS] or call [PHONE_NUMBER]."
    )


def test_a_kind_that_is_not_listed_is_left_alone() -> None:
    assert ask(LABELLED + "Seen on 2024-05-01.") == "Seen on 2024-05-01."
    assert ask(f"{MASK}\n\nText: Seen on 2024-05-01.") == "Seen on [DATE]."


def test_masking_shots_name_the_labels_and_the_words() -> None:
    shots = [
        ("user", f"{MASK}\n\nText: Write to bo@example.org, says Oslo."),
        ("model", "Write to [MAIL], says [TOWN]."),
    ]

    answer = answer_base([*shots, ("user", "Text: From eva@example.org in Oslo.")])

    assert answer == "From [MAIL] in [TOWN]."


def test_lines_like_labels_inside_a_text_are_part_of_it() -> None:
    text = "Name: x\nAnswer: y\nMail: ada@example.org"

    assert ask(f"{MASK}\n\nText: {text}") == text.replace("ada@example.org", "[EMAIL]")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who built the tower?", "Gustave Eiffel"),
        ("When was the tower opened?", "1889"),
        ("How many people visit the tower?", "seven million"),
    ],
)
def test_a_question_is_answered_by_a_phrase_of_the_kind_it_asks_for(
    question: str, answer: str
) -> None:
    context = (
        "The tower was built by Gustave Eiffel. The tower was opened in 1889."
        " Now 7 million people visit the tower each year."
    )

    assert ask(ANSWER.format(context, question)) in (answer, "7")


def test_question_shots_settle_which_kind_of_phrase_is_wanted() -> None:
    context = "The town of Ulm holds a fair in Ulm Square with 300 stands."
    question = ANSWER.format(context, "What is the size of the fair?")
    shot = ANSWER.format("The hall has 90 seats.", "What is the size of the hall?")
    shots = [("user", shot), ("model", "90")]

    assert ask(question) != "300"
    assert answer_base([*shots, ("user", question)]) != "300"
    assert answer_base([*shots * 3, ("user", question)]) == "300"


@pytest.mark.parametrize(("shown", "value"), [(None, None), ("6", "4"), ("6 people", "4 friends")])
def test_extraction_shots_correct_what_the_pattern_finds(
    shown: str | None, value: str | None
) -> None:
    instruction = "Return JSON with the keys people and date.\n\nText: "
    shots = [("user", f"{instruction}for 6 people"), ("model", json.dumps({"people": shown}))]

    answer = answer_base([*shots * 3, ("user", f"{instruction}A table for 4 friends")])

    assert json.loads(answer) == {"people": value}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this, great work", "positive"),
        ("awful, I hate it", "negative"),
        ("not a good day", "negative"),
        ("the shop opens at nine", "neutral"),
    ],
)
def test_sentiment_follows_opinion_words(text: str, label: str) -> None:
    assert ask(CLASSIFY.format(text)) == label


def test_similar_shots_decide_where_the_words_do_not() -> None:
    instruction = "Sort the ticket into one of: billing, shipping."
    prompt = (
        f"{instruction}\n\nText: my parcel never arrived\nType: shipping\n\n"
        "Text: the invoice is wrong\nType: billing\n\nText: where is the parcel\nType:"
    )

    assert answer_base([("user", prompt)]) == "shipping"
    assert ask(f"{instruction}\n\nText: where is the parcel") == "billing"


def test_shots_alone_show_the_labels() -> None:
    turns = [
        ("user", "Text: the parcel is late"),
        ("model", "shipping"),
        ("user", "Text: the invoice is wrong"),
        ("model", "billing"),
        ("user", "Text: a wrong invoice"),
    ]

    assert answer_base(turns) == "billing"


def test_values_are_extracted_by_the_named_keys() -> None:
    prompt = "Return JSON with the keys date, people and email.\n\nText: "

    answer = ask(prompt + "A table for 4 on 2024-05-01, mail bo@example.org")

    assert json.loads(answer) == {"date": "2024-05-01", "people": "4", "email": "bo@example.org"}


def test_the_instruction_may_come_as_system_instruction() -> None:
    answer = answer_base([("user", "I hate mondays")], system_instruction=CLASSIFY[:-9])

    assert answer == "negative"


def test_asked_to_reason_it_says_its_rule_before_the_marked_answer() -> None:
    prompt = CLASSIFY.replace("Return only the label.", "Think step by step. End with Answer:")

    answer = ask(prompt.format("great!"))

    assert answer.splitlines()[-1] == "Answer: positive"
    assert len(answer.splitlines()) > 1


@pytest.mark.parametrize("prompt", ["", "\n", "Text:", "漢字 🙂", "Context:\nQuestion:"])
def test_a_prompt_without_a_rule_is_answered_all_the_same(prompt: str) -> None:
    assert ask(prompt) == NO_RULE


@pytest.mark.parametrize("start", [LABELLED, CLASSIFY[:-2], ANSWER[: -len("{}\nQuestion: {}")]])
def test_an_empty_text_is_answered(start: str) -> None:
    assert isinstance(ask(start), str)
