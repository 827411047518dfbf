"""How a conversation becomes the text that a local model reads."""

from service.inference.local.prompts import classified_text, plain_prompt
from service.inference.ports import Turn

SHOTS = (Turn("user", "Q1"), Turn("model", "A1"), Turn("user", "Q2"))


def test_plain_text_ends_with_the_mark_after_which_the_answer_stands() -> None:
    assert plain_prompt("", SHOTS) == "Q1\n\nAnswer: A1\n\nQ2\n\nAnswer:"
    assert plain_prompt("Be brief.", SHOTS[-1:]) == "Be brief.\n\nQ2\n\nAnswer:"


def test_a_classifier_reads_all_that_is_said_and_no_mark() -> None:
    assert classified_text("", SHOTS[-1:]) == "Q2"
    assert classified_text("S", SHOTS) == "S\nQ1\nA1\nQ2"
