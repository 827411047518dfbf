"""Prompts are read by what varies between them."""

from emulator.learners.layout import ParsedPrompt, learn_layout

MASK = "Mask the text.\nLabels: NAME, CITY\n\nText: "


def test_the_instruction_and_constant_fields_are_dropped() -> None:
    prompts = [MASK + "Ada is here", MASK + "Bo is there"]
    layout = learn_layout(prompts, ["[NAME] is here", "[NAME] is there"])

    assert layout.parse(MASK + "Cleo is away") == ParsedPrompt("Cleo is away", "")


def test_the_field_that_outputs_are_copied_from_is_the_source() -> None:
    prompts = [
        f"Answer.\n\nContext: {who} lives in {city}.\nQuestion: Where is {who}?"
        for who, city in (("Ada", "Oslo"), ("Bo", "Rome"))
    ]
    layout = learn_layout(prompts, ["in Oslo", "in Rome"])

    read = layout.parse("Answer.\n\nContext: Cleo moved.\nQuestion: Who moved?")

    assert read == ParsedPrompt("Cleo moved.", "Who moved?")


def test_lines_like_labels_inside_a_text_stay_in_the_text() -> None:
    layout = learn_layout([MASK + "Ada", MASK + "Bo", MASK + "Cleo\nText: x"], ["A", "B", "C"])

    assert layout.parse(MASK + "Name: Dag\nText: more").source == "Name: Dag\nText: more"


def test_text_before_a_constant_empty_label_is_the_source() -> None:
    prompts = [f"{text}\nSentiment:" for text in ("A fine film", "A dull film")]
    layout = learn_layout(prompts, ["positive", "negative"])

    assert layout.parse("A long film\nSentiment:").text == "A long film"


def test_an_unlabelled_instruction_is_what_all_prompts_begin_with() -> None:
    layout = learn_layout(["Translate this: hund", "Translate this: katze"], ["dog", "cat"])

    assert layout.parse("Translate this: maus").source == "maus"


def test_a_prompt_laid_out_otherwise_is_all_source() -> None:
    layout = learn_layout([MASK + "Ada", MASK + "Bo"], ["[NAME]", "[NAME]"])

    assert layout.parse("Just a text") == ParsedPrompt("Just a text", "")
    assert layout.parse("") == ParsedPrompt("", "")
