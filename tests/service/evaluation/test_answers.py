"""How an answer is read: its mark, its normal form, and what is wrong with it."""

import pytest

from service.datasets.examples import Example
from service.datasets.presets.answer_form import ANY_TEXT, AnswerForm, AnswerKind
from service.evaluation.prompts import REASONING
from service.evaluation.scoring.answers import AnswerReader, ReadAnswer, RowFinding
from service.inference.ports import Outcome

LABEL_NAMES = ("positive", "Straße", "a.b", "?", "refund_not_shown", "1")
LABELS = AnswerReader(AnswerForm(AnswerKind.LABEL, labels=LABEL_NAMES))
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
RECORDS = AnswerReader(AnswerForm(AnswerKind.JSON, schema=SCHEMA))
SPANS = AnswerReader(AnswerForm(AnswerKind.SPAN))
TEXTS = AnswerReader(ANY_TEXT)
MARKED = AnswerReader(AnswerForm(AnswerKind.LABEL, labels=("positive", "negative")), is_marked=True)


def example(text: str = "Text: hello there", *references: str) -> Example:
    golds = references or ("positive",)
    return Example("ex", text, golds[0], golds, group="g", row=1)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Let me see.\nAnswer: positive", "positive"),
        ("thinking\n**Answer:** Positive.", "positive"),
        ("thinking\nFinal answer: positive", "positive"),
        ("The answer: is not here\n> answer : positive\n", "positive"),
        ("Answer: negative\nNo, wait.\nAnswer: positive", "positive"),
        ("thinking\nAnswer:\npositive", "positive"),
        ("\u7b54\nAnswer\uff1apositive", "positive"),
        ("thinking\nAnswer:", ""),
        ("thinking\nANSWER: positive", "positive"),
        ("thinking\nMy final answer is: positive", "positive"),
        ("thinking\n**Answer: positive**", "positive"),
        ("thinking\n**Answer**: **positive**", "positive"),
        ("thinking\n### Answer\n\npositive", "positive"),
        ("So it is good. Answer: positive", "positive"),
        ("Is it? Answer: negative\nAnswer: positive", "positive"),
        ("Nachdenken\nAntwort: positive", "positive"),
        ("Je pense\nR\u00e9ponse\u00a0: positive", "positive"),
        ("\u60f3\u4e00\u60f3\n\u7b54\u6848\uff1apositive", "positive"),
        ("\u6240\u4ee5\uff0c\u6700\u7ec8\u7b54\u6848\u662f\uff1apositive", "positive"),
        ("C\u00e2u tr\u1ea3 l\u1eddi: positive", "positive"),
        ("\u041e\u0442\u0433\u043e\u0432\u043e\u0440: positive", "positive"),
        ("\u067e\u0627\u0633\u062e: positive", "positive"),
        ("thinking\nTherefore, the final answer is: positive", "positive"),
        ("thinking\n\u2705 **Answer:** positive", "positive"),
        ("thinking\n3) Answer: positive", "positive"),
        ("thinking\nAnswer \u2014 positive", "positive"),
        ("thinking\n\u200bAnswer\u200b: positive", "positive"),
        ("thinking\n`Answer: positive`", "positive"),
        ("```\nthinking\nAnswer: positive\n```", "positive"),
    ],
)
def test_the_answer_follows_the_last_mark(text: str, answer: str) -> None:
    assert MARKED.read(Outcome.OK, text).text == answer


@pytest.mark.parametrize(
    "text",
    [
        "positive",
        "",
        "your Answer: positive",
        "Answers: positive",
        "An answer positive",
        '{"answer": "positive"}',
        "| Answer: positive |",
        "The answer is positive.",
    ],
)
def test_without_a_mark_the_answer_is_unparsable(text: str) -> None:
    assert MARKED.read(Outcome.OK, text).outcome is Outcome.UNPARSABLE


def test_an_answer_of_several_lines_is_whole_after_its_mark() -> None:
    reader = AnswerReader(ANY_TEXT, is_marked=True)
    assert reader.read(Outcome.OK, "so\nAnswer: one\n\ntwo ").raw == "one\n\ntwo"
    assert reader.read(Outcome.OK, "so\nAnswer: **one**").raw == "one"
    assert reader.read(Outcome.OK, "so\nAnswer: **one**, **two**").raw == "**one**, **two**"


def test_the_prompt_asks_for_the_mark_that_is_read() -> None:
    assert "`Answer:`" in REASONING
    assert MARKED.read(Outcome.REFUSED, "").outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ("positive", "positive"),
        (" Positive. ", "positive"),
        ("```\nPOSITIVE\n```", "positive"),
        ("STRASSE", "Straße"),
        ("A.B", "a.b"),
        ("?", "?"),
        ("it is positive", "positive"),
        ("", ""),
        ("**Positive**", "positive"),
        ("Label: positive", "positive"),
        ("**Sentiment:** `positive`", "positive"),
        ("positive (very)", "positive"),
        ("Positive. The guest is happy.", "positive"),
        ("positive\n\nReason: all is well", "positive"),
        ("- positive", "positive"),
        ("\u201cpositive\u201d", "positive"),
        ("[positive]", "positive"),
        ("<label>positive</label>", "positive"),
        ("\uff30\uff2f\uff33\uff29\uff34\uff29\uff36\uff25", "positive"),
        ('{"label": "positive"}', "positive"),
        ('```json\n{"sentiment": "Positive", "why": "fine"}\n```', "positive"),
        ("Refund not shown", "refund_not_shown"),
        ("-1", "-1"),
        ("\u0661", "1"),
        ("positiv", "positiv"),
        ("positive, ?", "positive"),
        ("positive, 1", "positive, 1"),
        ("not positive", "not positive"),
        ("It is not positive", "It is not positive"),
        ("positive because all is well", "positive"),
        ("positive\n\n**Explanation:** nothing is 1", "positive"),
        ("positive\n1", "positive\n1"),
        ("\U0001f600 positive \u2705", "positive"),
        ("\u200bpositive\ufe0f\ufeff", "positive"),
        ("It's positive.", "positive"),
        ("The label would be **positive**", "positive"),
        ("### Answer\npositive", "positive"),
        ("Text: all is well\nLabel: positive", "positive"),
        ("Text: 1\nLabel: positive", "Text: 1\nLabel: positive"),
        ("Option 1", "1"),
        ("1)", "1"),
        ("(1) all is well", "1"),
        ("$\\boxed{\\text{positive}}$", "positive"),
        ("{'label': 'positive'}", "positive"),
        ('{"label": "positive",}', "positive"),
        ("positive (not Straße)", "positive (not Straße)"),
        ('["positive", "a.b"]', '["positive", "a.b"]'),
    ],
)
def test_a_label_is_read_as_the_set_spells_it(given: str, label: str) -> None:
    answer = LABELS.read(Outcome.OK, given)

    assert answer == ReadAnswer(Outcome.OK, given, label)
    assert LABELS.normalisation.signature == "label:3"
    assert LABELS.normalisation.steps


def test_other_answers_stay_as_they_are() -> None:
    assert TEXTS.read(Outcome.OK, " `a` ").text == " `a` "
    assert SPANS.read(Outcome.OK, "The Hague.").text == "The Hague."
    for dress in ("```json\n{}\n```", "Here it is:\n```\n{}\n```\nDone.", "\ufeff{}"):
        said = dress.replace("{}", '{"n": 1}')
        assert RECORDS.read(Outcome.OK, said).text == '{"n": 1}'
    two = '{"n": 1} or {"n": 2}'
    assert RECORDS.read(Outcome.OK, two).text == two
    assert (TEXTS.normalisation.name, TEXTS.normalisation.steps) == ("verbatim", ())


@pytest.mark.parametrize(
    ("reader", "text", "findings"),
    [
        (LABELS, "positive.", []),
        (LABELS, "I think it is good", [RowFinding.OUTSIDE_LABELS]),
        (LABELS, " ", [RowFinding.EMPTY]),
        (RECORDS, '{"n": 2}', []),
        (RECORDS, '{"n": "2"}', [RowFinding.OUTSIDE_SCHEMA]),
        (RECORDS, "n is 2", [RowFinding.OUTSIDE_SCHEMA]),
        (SPANS, "Hello", []),
        (SPANS, "goodbye", [RowFinding.OUTSIDE_CONTEXT]),
        (TEXTS, "hello  there", [RowFinding.COPIES_INPUT]),
        (TEXTS, "Text: hello there", [RowFinding.COPIES_INPUT]),
        (TEXTS, "\u043f\u0440\u0438\u0432\u0435\u0442", [RowFinding.OTHER_LANGUAGE]),
        (TEXTS, "na\u00efve", []),
        (TEXTS, "42", []),
    ],
)
def test_what_is_wrong_with_an_answer_is_found(
    reader: AnswerReader, text: str, findings: list[RowFinding]
) -> None:
    assert reader.findings(example(), reader.read(Outcome.OK, text)) == findings


def test_what_is_wanted_is_no_finding() -> None:
    kept = example("Text: nothing to mask", "nothing to mask")
    unanswered = example("Text: who?", "")

    assert TEXTS.findings(kept, TEXTS.read(Outcome.OK, "nothing to mask")) == []
    assert TEXTS.findings(unanswered, TEXTS.read(Outcome.OK, "")) == []
    assert RECORDS.findings(example(), ReadAnswer(Outcome.FAILED)) == []
    cut = ReadAnswer(Outcome.TRUNCATED, "Text", "Text")
    assert TEXTS.findings(kept, cut) == [RowFinding.TRUNCATED]


@pytest.mark.parametrize(
    ("answer", "target", "found"),
    [
        ("\u4f60\u597d\u4e16\u754c\u3002", "\u3053\u3093\u306b\u3061\u306f", False),
        ("hello world", "\u4f60\u597d\u4e16\u754c", True),
        ("ok", "\u4f60\u597d\u4e16\u754c", False),
    ],
)
def test_scripts_tell_languages_apart(answer: str, target: str, *, found: bool) -> None:
    findings = TEXTS.findings(example("Text: x", target), TEXTS.read(Outcome.OK, answer))
    assert (RowFinding.OTHER_LANGUAGE in findings) == found
