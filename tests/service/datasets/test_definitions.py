"""Presets of a user's own: data in YAML, checked before use, and nothing in them is ever run."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.datasets.drops import DropReason
from service.datasets.presets.definition import (
    YAML_CHARACTERS,
    Metric,
    PresetDefinition,
    defined_preset,
    read_definition,
)
from service.datasets.presets.preset import ConvertedExample, Preset, RowProblem
from service.datasets.presets.registry import choose_preset
from service.datasets.schemas import PrepareSpec
from service.errors import Invalid
from service.evaluation.metrics.registry import METRICS

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "presets").glob("*.yaml"))
SMALL = {"name": "mine", "text": "Say: {{a}}", "target": "{{b}}"}


def preset(**changes: Any) -> Preset:
    return defined_preset(PresetDefinition.model_validate(SMALL | changes))


def converted(made: Preset, **fields: str) -> ConvertedExample:
    converted_example = made.convert(dict.fromkeys(made.optional_columns, "") | fields)
    assert isinstance(converted_example, ConvertedExample)
    return converted_example


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_presets_that_a_spec_takes(path: Path) -> None:
    spec = PrepareSpec.model_validate(
        {
            "preset": "generic",
            "definition": path.read_text(),
            "source": {"type": "gs", "uri": "gs://my-bucket/rows.csv"},
        }
    )

    assert spec.definition is not None
    assert spec.definition.name == path.stem
    assert spec.test_size == spec.definition.test_size
    assert PrepareSpec.model_validate(spec.model_dump(mode="json")) == spec
    chosen = choose_preset(spec.preset, template=None, columns=(), definition=spec.definition)
    assert "{{" not in chosen.instruction


def test_wines_are_drafted_as_their_file_says() -> None:
    made = defined_preset(read_definition(EXAMPLES[-1].read_text()))

    converted_example = converted(
        made, name=" Chardonnay\n ", type="White  WINE", producer="Weingut A"
    )

    assert made.instruction == (
        "Classify the wine as one of: red wine, white wine, sparkling wine. Return only the label."
    )
    assert (made.columns, made.optional_columns) == (("name", "type", "producer"), ("note",))
    assert (made.test_size, made.labels[0], made.near_groups) == (100, "red wine", False)
    assert converted_example.text == "Name: Chardonnay\nTasting note:"
    assert (converted_example.target, converted_example.label, converted_example.group) == (
        "white wine",
        "white wine",
        "weingut a",
    )
    problem = made.convert({"name": "x", "note": "", "type": "beer", "producer": "p"})
    assert isinstance(problem, RowProblem)
    assert problem.code == "unknown_label"
    assert (
        made.convert({"name": " ", "note": "", "type": "", "producer": ""}) is DropReason.EMPTY_TEXT
    )


def test_a_schema_makes_targets_json() -> None:
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    made = preset(target_schema=schema, instruction="As {{schema}}")

    assert converted(made, a="x", b=' {"n" : 5} ').target == '{"n": 5}'
    assert made.instruction.startswith('As {"type": "object"')
    codes = [
        problem.code
        for target in ("{", '{"n": "5"}', "[]", '{"n": NaN}', "{}")
        if isinstance(problem := made.convert({"a": "x", "b": target}), RowProblem)
    ]
    assert codes == [
        "target_not_json",
        "target_not_as_schema",
        "target_not_as_schema",
        "target_not_json",
        "target_not_as_schema",
    ]


def test_what_a_target_lacks_is_named_by_place_and_its_content_is_not_quoted() -> None:
    schema = {
        "type": "object",
        "required": ["n", "of"],
        "additionalProperties": False,
        "properties": {
            "n": {"type": ["integer", "null"]},
            "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
        },
    }
    made = preset(target_schema=schema)

    target = '{"n": 1.0, "tags": ["a", "secret"], "hidden": 1}'
    problem = made.convert({"a": "x", "b": target})
    whole = made.convert({"a": "x", "b": '["secret"]'})

    assert isinstance(problem, RowProblem)
    assert isinstance(whole, RowProblem)
    said = problem.message.removesuffix("; mend the target or the schema").split("; ")
    assert said == [
        "/of is missing",
        "the target has members that are not in the schema",
        "/n is no integer or null",
    ]
    assert whole.message == "the target is no object; mend the target or the schema"
    assert "secret" not in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "{{a.__class__.__init__.__globals__}}",
        "{{a[0]}}",
        "{{''.join(['a'])}}",
        "{{ cycler.__init__ }}",
        "{{a!r}}",
        "{{a:>10}}",
        "{{ 7*7 }}",
    ],
)
def test_a_template_names_columns_and_computes_nothing(text: str) -> None:
    made = preset(text=text)

    assert made.columns == (text.strip("{} "), "b")
    assert converted(made, **{made.columns[0]: "plain", "b": "x"}).text == "plain"


@pytest.mark.parametrize(
    "text", ["{a.__class__}", "${a}", "%(a)s", "{% for x in a %}{{a}}{% endfor %}", "<%= a %>{{a}}"]
)
def test_other_template_languages_are_text(text: str) -> None:
    made = preset(text=f"{text} {{{{a}}}}")

    assert converted(made, a="{{b}}", b="x").text == f"{text} {{{{a}}}}".replace("{{a}}", "{{b}}")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"name": "Mine!"}, "name"),
        ({"text": "no place"}, "text"),
        ({"instruction": "about {{a}}"}, "names no columns"),
        ({"optional_columns": ["c"]}, "are some of a, b"),
        ({"normalise": {"a": "shout"}}, "normalise.a"),
        ({"normalise": {"c": "fold"}}, "are some of a, b"),
        ({"metrics": ["bleurt"]}, "metrics.0"),
        ({"labels": ["x"], "target_schema": {"type": "object"}}, "not both"),
        ({"target_schema": {"$ref": "http://127.0.0.1/schema"}}, "keywords are not known"),
        ({"target_schema": {"type": "money"}}, "`type` is one of"),
        ({"target_schema": {"properties": {"x": 5}}}, "a schema is an object"),
        ({"convert": "os.system"}, "convert"),
    ],
)
def test_a_definition_that_says_something_else_is_refused(
    changes: dict[str, Any], match: str
) -> None:
    import yaml

    with pytest.raises(ValueError, match=match):
        read_definition(yaml.safe_dump(SMALL | changes))


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system [echo]",
        "!!python/name:os.system",
        "name: &a [x]\ntext: *a",
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "[" * 5000,
        "name: [",
        "a: 2026-13-45",
        "- just\n- a list",
        "",
        "name: mine\n" * (YAML_CHARACTERS // 5),
    ],
)
def test_yaml_that_is_more_than_data_is_refused_as_the_spec_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"YAML|valid dictionary|characters"):
        read_definition(text)
    with pytest.raises(ValidationError) as raised:
        PrepareSpec.model_validate(
            {
                "preset": "generic",
                "definition": text,
                "source": {"type": "synthetic", "rows": 5},
            }
        )
    assert raised.value.errors()[0]["loc"] == ("definition",)


def test_a_definition_goes_with_generic_alone_and_has_a_name_of_its_own() -> None:
    mine = PresetDefinition.model_validate(SMALL)
    taken = PresetDefinition.model_validate(SMALL | {"name": "pii"})

    for name, definition in (("pii", mine), ("generic", taken)):
        with pytest.raises(Invalid) as raised:
            choose_preset(name, template=None, columns=(), definition=definition)
        assert raised.value.code == "definition_not_allowed"
    with pytest.raises(Invalid) as raised:
        choose_preset("generic", template=None, columns=(), definition=mine, labels=("x",))
    assert raised.value.code == "labels_not_allowed"


def test_the_metrics_a_definition_may_name_are_those_there_are() -> None:
    assert set(Metric.__args__) == set(METRICS)  # type: ignore[attr-defined]  # a Literal has them


def test_a_spec_may_ask_for_another_test_size_than_its_definition() -> None:
    given = {
        "preset": "generic",
        "definition": SMALL | {"test_size": 70},
        "source": {"type": "synthetic", "rows": 500},
    }

    assert PrepareSpec.model_validate(given).test_size == 70
    assert PrepareSpec.model_validate(given | {"test_size": 200}).test_size == 200


def test_classification_needs_labels_and_spells_them_as_they_are_given() -> None:
    with pytest.raises(Invalid) as raised:
        choose_preset("classification", template=None, columns=())
    assert raised.value.code == "labels_required"
    assert [fault.pointer for fault in raised.value.faults] == ["/spec/labels"]

    made = choose_preset(
        "classification", template=None, columns=(), labels=("Card arrival", "Lost card")
    )

    assert made.instruction.endswith("labels: Card arrival, Lost card")
    assert converted(made, text=" Where is it? ", label="card  ARRIVAL").label == "Card arrival"
    assert made.convert({"text": "", "label": "x"}) is DropReason.EMPTY_TEXT
    assert isinstance(made.convert({"text": "t", "label": "x"}), RowProblem)


def test_in_extraction_the_context_is_part_of_the_question() -> None:
    made = choose_preset("extraction", template=None, columns=())

    people = converted(made, text="13", context="people", target='{"people": "13"}')
    time = converted(made, text="13", context="time", target='{"time": "13"}')
    swapped = converted(made, text="x", target='{"b": 1, "a": 2}')
    other = converted(made, text="x", target='{"a": 2, "b": 1}')

    assert people.text == "Context: people\nText: 13"
    assert people.identity[0] != time.identity[0]
    assert people.group != time.group
    assert swapped.identity == other.identity
    assert swapped.target == '{"b": 1, "a": 2}'
