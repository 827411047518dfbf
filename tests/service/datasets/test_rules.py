"""Every rule: the fault it is for is planted, and found in its row."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest

from service.catalogue.catalogue import load_catalogue
from service.datasets.examples import Split
from service.datasets.formats.rows import SourceRow
from service.datasets.row_faults import Level
from service.datasets.schemas import PrepareSpec
from service.datasets.validation.dataset_facts import DatasetFacts
from service.datasets.validation.dataset_rules import DATASET_RULES, dataset_findings
from service.datasets.validation.row_checks import RowChecks
from service.datasets.validation.row_rules import (
    CHARACTER_RULES,
    ROW_RULES,
    answer_outside_context,
    over_token_limit,
)
from service.datasets.validation.token_counts import UNMEASURED_ERROR, calibrate
from service.errors import Invalid
from tests.service.datasets.columnar import prepare_rows

PLANTED: dict[str, dict[str, Any]] = {
    "row_without_target": {"target": ""},
    "row_without_text": {"text": ""},
    "blank_target": {"target": "\u200b \u2060"},
    "blank_text": {"text": "\u200b\u200b"},
    "target_is_text": {"text": "the same", "target": "the same"},
    "target_with_role": {"target": "Assistant: it is blue"},
    "thought_in_target": {"target": "<think>\nThey ask for a colour.</think> blue"},
    "messages_as_text": {"text": '[{"role": "user", "content": "Context: blue?"}]'},
    "list_as_text": {"text": 'Text: ["blue", "red"]'},
    "missing_value": {"text": "Text: NaN"},
    "long_target": {"target": "word " * 1000},
    "system_in_row": {"system": "be kind " * 1000},
    "tokens_over_limit": {"text": "x" * 4100},
    "nul_character": {"references": ["a", "b\0"]},
    "control_characters": {"text": "beep \x07"},
    "replacement_characters": {"target": "caf\ufffd"},
    "wrongly_decoded": {"text": "it\u00e2\u20ac\u2122s a caf\u00c3\u00a9"},
    "invisible_characters": {"text": "pass\u200bword"},
    "direction_characters": {"text": "name \u202egpj.exe"},
    "byte_order_mark": {"text": "\ufeffid"},
    "html_entities": {"text": "Q&amp;A"},
    "chat_markup": {"target": "yes<|im_end|>"},
    "empty_slot": {"text": "Dear {{ name }}, welcome"},
    "spreadsheet_error": {"target": "#N/A"},
    "answer_not_in_context": {"text": "Context: the sky", "target": "the sea"},
    "json_target_does_not_parse": {"target": '{"slot": "open'},
}
ALL_ROW_RULES = (*ROW_RULES, over_token_limit(1000), answer_outside_context())


def converted(*changes: dict[str, Any]) -> pl.DataFrame:
    plain = {
        "text": "Context: what colour is the sky, which is blue",
        "target": "blue",
        "references": ["blue"],
        "system": "",
        "history": "",
        "rejected": "",
    }
    rows = [plain | change | {"row": number} for number, change in enumerate(changes, start=1)]
    return pl.DataFrame(rows, schema_overrides={"references": pl.List(pl.String)})


@pytest.mark.parametrize("rule", sorted(PLANTED))
def test_a_planted_fault_is_found_in_its_row(rule: str) -> None:
    checks = RowChecks(ALL_ROW_RULES)

    checks.check(converted({}, PLANTED[rule], {}))

    found = {each.id: broken.first_rows for level in Level for each, broken in checks.broken(level)}
    assert found[rule] == [2]
    assert set().union(*found.values()) == {2}


@pytest.mark.parametrize(
    "text",
    [
        "\u0e01\u0e32\u200b\u0e1f\u0e49\u0e32",
        "\u1780\u200b\u1781",
        "\u0645\u06cc\u200c\u0631\u0648\u0645",
        "\U0001f468\u200d\U0001f467",
    ],
)
def test_joiners_and_spaces_between_letters_of_scripts_that_need_them_are_no_fault(
    text: str,
) -> None:
    checks = RowChecks(ALL_ROW_RULES)

    checks.check(converted({"text": f"Context: blue {text}"}))

    assert not list(checks.broken(Level.WARNING))


def test_a_joiner_beside_a_latin_letter_is_found() -> None:
    checks = RowChecks(ALL_ROW_RULES)

    checks.check(converted({"text": "Context: blue pass\u200dword"}))

    assert [rule.id for rule, _ in checks.broken(Level.WARNING)] == ["invisible_characters"]


@pytest.mark.parametrize(
    "names",
    [
        ("VIP", "AI\u76f8\u8ac7", "\u8fd4\u54c1", "\u30ad\u30e3\u30f3\u30bb\u30eb"),
        ("\u03b2-blocker", "other", "10 \u00b5g", "1\u00aa"),
        ("\uff36\uff29\uff30", "other"),
    ],
    ids=["Japanese", "signs", "full width"],
)
def test_labels_of_one_language_in_several_scripts_are_no_finding(names: tuple[str, ...]) -> None:
    labels = dict.fromkeys(names, 500)

    found = dataset_findings(replace(SOUND, labels=labels, label_set=tuple(labels)))

    assert "labels_in_several_scripts" not in {each.code for each in found}


def test_every_rule_about_rows_has_a_planted_fault() -> None:
    rules = {rule.id for rule in (*ALL_ROW_RULES, *CHARACTER_RULES)}

    assert rules | {"json_target_does_not_parse"} == set(PLANTED)


def test_messages_say_what_to_do_and_rules_have_one_id_each() -> None:
    rules = (*ALL_ROW_RULES, *CHARACTER_RULES)

    assert len({rule.id for rule in rules}) == len(rules)
    assert all(len(rule.message) > 20 for rule in rules)


def test_all_faults_of_all_rows_are_found_in_one_pass() -> None:
    rows = [
        SourceRow(number, {"text": f"tweet number {number} is here", "sentiment": "neutral"})
        for number in range(1, 9)
    ]
    rows[1] = SourceRow(2, {"text": "a\0b", "sentiment": "neutral"})
    rows[4] = SourceRow(5, {"text": "tweet", "sentiment": "angry"})
    rows[6] = SourceRow(7, {"text": "tweet", "sentiment": ""})
    spec = PrepareSpec.model_validate(
        {"preset": "sentiment", "source": {"type": "synthetic"}, "train_sizes": [1], "test_size": 1}
    )

    with pytest.raises(Invalid) as raised:
        prepare_rows(rows, spec)

    assert [(fault.pointer, fault.code) for fault in raised.value.faults] == [
        ("row 2", "nul_character"),
        ("row 5", "unknown_label"),
        ("row 7", "row_without_target"),
    ]


# --------------------------------------------------------------------------------- the whole

CATALOGUE = load_catalogue()
SOUND = DatasetFacts(
    train_rows=1000,
    validation_rows=100,
    test_groups=50,
    largest_train_size=800,
    training_bytes=1 << 20,
    instruction_tokens=50,
    kept=1300,
    moves=False,
    base_model=CATALOGUE.entry("gemini-3.5-flash"),
    known_models=CATALOGUE.names,
    today=date(2026, 11, 21),
    labels={"yes": 700, "no": 600},
    label_set=("no", "yes"),
    first_taught={"yes": 0, "no": 1},
    held_out_labels={Split.TEST: {"yes", "no"}, Split.VALIDATION: {"yes"}},
    train_sizes=(100, 800),
)
PLANTED_WHOLE: dict[str, dict[str, Any]] = {
    "assumed_encoding": {"assumed_encodings": ("cp1252",)},
    "few_training_rows": {"train_rows": 99},
    "few_test_groups": {"test_groups": 3},
    "training_rows_over_limit": {"largest_train_size": 10_000_001},
    "training_file_over_limit": {"training_bytes": 1_000_000_001},
    "validation_rows_over_limit": {"validation_rows": 5001, "largest_train_size": 100_000},
    "validation_share_over_limit": {"validation_rows": 1001},
    "unknown_model": {"base_model": CATALOGUE.entry("gemini-9-ultra")},
    "model_retired": {"base_model": CATALOGUE.entry("gemini-2.5-flash")},
    "long_instruction": {"instruction_tokens": 70_000},
    "single_label": {"labels": {"yes": 1300}, "label_set": ()},
    "dominant_label": {"labels": {"yes": 1290, "no": 10}},
    "rare_labels": {"labels": {"yes": 700, "no": 596, "perhaps": 4}},
    "labels_not_taught": {"held_out_labels": {Split.TEST: {"yes", "no", "perhaps"}}},
    "labels_not_tested": {"held_out_labels": {Split.TEST: {"no"}}},
    "train_size_without_labels": {"first_taught": {"yes": 0, "no": 100}},
    "labels_differ_in_case": {"labels": {"yes": 700, "no": 500, "No": 100}},
    "labels_in_several_scripts": {"labels": {"yes": 700, "no": 500, "\u043d\u0435\u0442": 100}},
    "labels_never_used": {"label_set": ("no", "perhaps", "yes")},
    "labels_not_in_instruction": {"absent_labels": {"IBAN": 7, "CITY": 9}},
    "placeholders_in_other_brackets": {"unsquare_placeholders": 4, "square_brackets_asked": True},
    "mixed_target_forms": {"json_targets": 1200},
    "conflicting_targets": {"conflict_rows": 2, "conflicts": (4, 9)},
    "many_rows_like_held_out": {"near_test_rows": 200},
    "many_rows_unused": {"unused_rows": 200},
    "large_group_untested": {"untested_group_rows": 400},
    "splits_move": {"moves": True},
}


def test_a_sound_dataset_breaks_no_rule() -> None:
    assert dataset_findings(SOUND) == []


@pytest.mark.parametrize("rule", sorted(PLANTED_WHOLE))
def test_a_fault_of_the_whole_is_found_and_only_it(rule: str) -> None:
    found = dataset_findings(replace(SOUND, **PLANTED_WHOLE[rule]))

    assert [each.code for each in found] == [rule]
    assert (found[0].level is Level.ERROR) == rule.endswith("_over_limit")


def test_there_are_at_least_as_many_planted_faults_as_rules() -> None:
    assert len(PLANTED_WHOLE) >= len(DATASET_RULES)
    assert len(PLANTED) + len(PLANTED_WHOLE) >= 25


def test_an_unknown_model_only_warns_and_gets_the_general_limits() -> None:
    known, unknown = CATALOGUE.entry("gemini-3.5-flash"), CATALOGUE.entry("gemini-9-ultra")

    assert unknown.limits.tokens_per_example == known.limits.tokens_per_example == 131_072
    assert unknown.prices is None
    (caution,) = dataset_findings(replace(SOUND, base_model=unknown))
    assert caution.level is Level.WARNING
    assert all(model in caution.message for model in CATALOGUE.names)


# -------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    ("sizes", "counted", "factor"),
    [([40] * 10, [10] * 10, 1.0), ([40] * 10, [13] * 10, 1.3), ([30, 50] * 5, [10] * 10, 1.0)],
    ids=["as guessed", "more", "uneven"],
)
def test_counts_of_a_sample_set_the_factor(
    sizes: Sequence[int], counted: Sequence[int], factor: float
) -> None:
    found = calibrate(sizes, counted)

    assert found.factor == pytest.approx(factor)
    assert found.sample == 10
    assert found.tokens(4000) == pytest.approx(1000 * factor)


def test_an_even_sample_has_a_smaller_error_than_an_uneven_one_and_none_has_a_guess() -> None:
    even, uneven = calibrate([40] * 10, [10] * 10), calibrate([10, 70] * 5, [10] * 10)

    assert even.error == 0 < uneven.error < 1
    assert calibrate([40], [10]).error == UNMEASURED_ERROR
    assert calibrate([40], [10]).sample == 0
