"""The short way past Google's parser: it must never take what the parser refuses, nor differ."""

from typing import Any

import pytest
from google.cloud.aiplatform_v1 import GenerateContentRequest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.errors import GoogleError
from emulator.inference.fast_parser import fast_message
from emulator.inference.requests import read_generation_request
from emulator.inference.targets import Target
from emulator.messages import parse_message

# The full package: the emulator's shells would break it for the other tests of this process.
REQUEST: Any = GenerateContentRequest.pb()
TARGET = Target("m", "gemini-2.5-flash", "gemini-2.5-flash", "us-central1")
# Values of the right type, of a wrong one, and at the edges of each.
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70_000),
    st.sampled_from([2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([3.4e38, 3.5e38, 1e308, 5.0, -0.0]),
    st.text(max_size=4),
    st.sampled_from(["1", "NaN", "Infinity", "\ud800", "\x00", "true", "1.0"]),
    st.lists(st.text(max_size=3), max_size=3),
    st.just({}),
)
CONFIG = [
    *("temperature", "topP", "top_p", "topK", "candidateCount", "maxOutputTokens"),
    *("max_output_tokens", "stopSequences", "seed", "responseLogprobs", "logprobs"),
    *("responseMimeType", "thinkingConfig", "presencePenalty", "temperatur"),
]
THINKING = ["thinkingBudget", "thinking_budget", "includeThoughts", "budget"]


def objects(names: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(names), values, max_size=4)


PARTS = objects(["text", "thought", "txt"], VALUES)
CONTENTS = st.fixed_dictionaries(
    {}, optional={"role": VALUES, "parts": st.one_of(VALUES, PARTS, st.lists(PARTS, max_size=2))}
)
CONFIGS = objects(CONFIG, st.one_of(VALUES, objects(THINKING, VALUES)))
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "contents": st.one_of(VALUES, CONTENTS, st.lists(CONTENTS, max_size=2)),
        "systemInstruction": st.one_of(VALUES, CONTENTS),
        "system_instruction": CONTENTS,
        "generationConfig": st.one_of(VALUES, CONFIGS),
        "generation_config": CONFIGS,
        "safetySettings": VALUES,
    },
)


@settings(max_examples=800, deadline=None)
@given(document=DOCUMENTS)
def test_what_the_short_way_takes_the_parser_takes_alike(document: dict[str, Any]) -> None:
    message = fast_message(document, REQUEST)

    if message is not None:
        assert message == parse_message(document, REQUEST)


NUMBERS = ["temperature", "topP", "topK"]
WHOLE = ["candidateCount", "maxOutputTokens", "seed", "logprobs"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PLAIN_CONTENT = st.fixed_dictionaries(
    {"parts": st.lists(st.fixed_dictionaries({"text": TEXTS}), min_size=1, max_size=2)},
    optional={"role": st.sampled_from(["user", "model", ""])},
)
PLAIN_CONFIG = st.dictionaries(
    st.sampled_from(NUMBERS), st.floats(0, 2) | st.integers(0, 2), min_size=1
) | st.dictionaries(st.sampled_from(WHOLE), st.integers(-(2**31) + 1, 2**31 - 1), min_size=1)


@settings(max_examples=300, deadline=None)
@given(content=PLAIN_CONTENT, config=PLAIN_CONFIG)
def test_common_requests_take_the_short_way_to_the_same_message(
    content: dict[str, Any], config: dict[str, Any]
) -> None:
    document = {"contents": [content], "systemInstruction": content, "generationConfig": config}

    message = fast_message(document, REQUEST)

    assert message is not None
    assert message == parse_message(document, REQUEST)
    expected = parse_message(document, REQUEST).SerializeToString(deterministic=True)
    assert message.SerializeToString(deterministic=True) == expected


def test_both_ways_give_a_question_the_same_digest() -> None:
    content = {"role": "user", "parts": [{"text": "x"}]}
    short = {"contents": [content], "generationConfig": {"topK": 1, "seed": 4}}
    long = {"contents": content, "generation_config": {"top_k": 1, "seed": "4"}}
    assert fast_message(long, REQUEST) is None

    requests = [
        read_generation_request(document, REQUEST, target=TARGET) for document in (short, long)
    ]

    assert requests[0] == requests[1]


@pytest.mark.parametrize("config", [{"seed": 2**31}, {"temperature": 3.5e38}, {"topP": "x"}])
def test_what_the_parser_refuses_stays_refused(config: dict[str, Any]) -> None:
    document = {"contents": [{"parts": [{"text": "x"}]}], "generationConfig": config}

    with pytest.raises(GoogleError):
        read_generation_request(document, REQUEST, target=TARGET)
