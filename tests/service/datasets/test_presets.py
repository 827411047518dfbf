"""Presets: how rows of a task become examples."""

import time

import pytest

from service.datasets.drops import DropReason
from service.datasets.presets.options import Template
from service.datasets.presets.pii import INSTRUCTION, template_of
from service.datasets.presets.preset import Converted, ConvertedExample, RowProblem
from service.datasets.presets.registry import PRESETS, choose_preset
from service.errors import Invalid


def convert(name: str, *, template: Template | None = None, **fields: str) -> Converted:
    preset = choose_preset(name, template=template, columns=())
    optional = dict.fromkeys(preset.optional_columns, "")
    return preset.convert(optional | fields)


def converted(name: str, *, template: Template | None = None, **fields: str) -> ConvertedExample:
    converted = convert(name, template=template, **fields)
    assert isinstance(converted, ConvertedExample)
    return converted


def test_an_unknown_preset_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(Invalid, match="generic, pii, sentiment, squad") as raised:
        choose_preset("poetry", template=None, columns=())

    assert raised.value.code == "unknown_preset"
    assert [fault.pointer for fault in raised.value.faults] == ["/spec/preset"]


def test_a_column_that_the_preset_does_not_read_is_refused() -> None:
    with pytest.raises(Invalid, match="text, sentiment") as raised:
        choose_preset("sentiment", template=None, columns=["text", "label"])

    assert [fault.pointer for fault in raised.value.faults] == ["/spec/columns/label"]


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {"generic"}))
def test_presets_with_their_own_words_take_no_template(name: str) -> None:
    with pytest.raises(Invalid) as raised:
        choose_preset(name, template=Template(text="{{a}}", target="{{b}}"), columns=())

    assert raised.value.code == "template_not_allowed"


def test_pii_keeps_the_text_and_groups_by_the_masked_template() -> None:
    made = converted(
        "pii",
        source_text=" Call  Ann\non 555. ",
        target_text=" Call  [FIRSTNAME]\non [PHONENUMBER]. ",
    )

    assert made.text == "Text: Call  Ann\non 555."
    assert made.target == "Call  [FIRSTNAME]\non [PHONENUMBER]."
    assert made.group == "call [] on []."


@pytest.mark.parametrize("masked", ["Hi [LASTNAME_1]!", "Hi <PERSON>!", "hi  {{ last_name }}!"])
def test_placeholders_of_any_kind_leave_the_same_template(masked: str) -> None:
    assert template_of(masked) == "hi []!"


def test_the_pii_instruction_names_the_labels_on_its_second_line() -> None:
    first, second = INSTRUCTION.split("\n")

    assert first.endswith("return only the text.")
    assert second.startswith("Labels: PREFIX, FIRSTNAME, LASTNAME, DATE,")
    assert second.endswith(" HEIGHT, SSN, LANGUAGE")
    assert second.count(",") == 56


@pytest.mark.parametrize(
    ("answers", "references"),
    [
        ('["a city", "city", "a city"]', ("a city", "city")),
        ('{"text": ["a  city"], "answer_start": [3]}', ("a city",)),
        ('[{"text": "a city", "answer_start": 3}]', ("a city",)),
        ("a city", ("a city",)),
        ("1973", ("1973",)),
    ],
)
def test_squad_keeps_all_gold_answers_however_they_are_written(
    answers: str, references: tuple[str, ...]
) -> None:
    made = converted(
        "squad", title="Warsaw", context="Warsaw is a  city.", question="What?", answers=answers
    )

    assert made.references == references
    assert made.target == references[0]
    assert made.text == "Context: Warsaw is a city.\nQuestion: What?"
    assert made.group == "warsaw"


@pytest.mark.parametrize("answers", ["[]", "", '{"text": []}', '[" "]'])
def test_squad_drops_questions_without_an_answer(answers: str) -> None:
    dropped = convert("squad", context="c", question="q", answers=answers)

    assert dropped is DropReason.UNANSWERABLE


def test_squad_without_titles_groups_by_context() -> None:
    first = converted("squad", context="One context", question="a", answers="x")
    second = converted("squad", context="one  context", question="b", answers="y")

    assert first.group == second.group
    assert first.identity != second.identity


def test_sentiment_lowers_labels_and_groups_texts_that_differ_in_case_only() -> None:
    first = converted("sentiment", text=" So  Good ", sentiment="Positive ")
    second = converted("sentiment", text="so good", sentiment="positive")

    assert (first.text, first.target, first.label) == ("Text: So  Good", "positive", "positive")
    assert first.group == second.group
    assert first.identity == second.identity


def test_sentiment_drops_empty_texts_and_refuses_unknown_labels() -> None:
    assert convert("sentiment", text="  ", sentiment="neutral") is DropReason.EMPTY_TEXT
    assert isinstance(convert("sentiment", text="fine", sentiment="5 stars"), RowProblem)


def test_a_template_is_filled_in_one_pass() -> None:
    template = Template(
        instruction="Name it.", text="{{ a }} and {{b}}", target="{{b}}", group="{{a}}"
    )

    made = converted("generic", template=template, a="{{b}}", b="x")

    assert (made.text, made.target, made.group) == ("{{b}} and x", "x", "{{b}}")


def test_a_template_without_a_group_keeps_equal_texts_together() -> None:
    template = Template(text="{{a}}", target="{{b}}")

    assert converted("generic", template=template, a="So  Good", b="1").group == "so good"


def test_a_template_reads_columns_and_nothing_else() -> None:
    template = Template(text="{{a.__class__}}", target="{{b}}")

    preset = choose_preset("generic", template=template, columns=())

    assert preset.columns == ("a.__class__", "b")


def test_generic_needs_a_template() -> None:
    with pytest.raises(Invalid) as raised:
        choose_preset("generic", template=None, columns=())

    assert raised.value.code == "template_required"


def test_a_template_of_spaces_is_read_in_no_time() -> None:
    template = Template(text="{{" + " " * 19_000, target="{{b}}")
    started = time.process_time()

    choose_preset("generic", template=template, columns=())

    assert time.process_time() - started < 1
