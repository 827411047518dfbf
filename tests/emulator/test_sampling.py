"""Sampling over HTTP: temperature, seeds, candidates and the probabilities returned."""

from collections import Counter
from math import exp
from typing import Any

import pytest

from tests.emulator.examples import create, finish, jsonl, order, row, upload
from tests.emulator.recordings import interactions, same_shape
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess

FLASH = "projects/lab/locations/global/publishers/google/models/gemini-2.5-flash"
MASK = "Mask personal data.\n\nText: Write to bo@example.org or 555-0100-222 on 2024-05-01."


@pytest.fixture(scope="module")
def unsure(emulator: EmulatorProcess) -> str:
    """The endpoint of a model taught one answer in seven cases of ten, another in three."""
    rows = [row(f"note {i}: a grey day", "A" if i % 10 < 7 else "B") for i in range(60)]
    body = order(upload(emulator, jsonl(rows), name="unsure.jsonl"), epochs=1)
    body["supervisedTuningSpec"]["hyperParameters"]["learningRateMultiplier"] = 0.05
    return str(finish(emulator, create(emulator, body)["name"])["tunedModel"]["endpoint"])


def candidates(
    emulator: EmulatorProcess, target: str, text: str, **config: Any
) -> list[dict[str, Any]]:
    contents = [{"role": "user", "parts": [{"text": text}]}]
    body = {"contents": contents, "generationConfig": config}
    answer = emulator.request("POST", f"/v1/{target}:generateContent", body)
    return list(answer["candidates"])


def texts(found: list[dict[str, Any]]) -> list[str]:
    return [candidate["content"]["parts"][0]["text"] for candidate in found]


def test_answers_come_as_often_as_the_probability_they_are_returned_with(
    emulator: EmulatorProcess, unsure: str
) -> None:
    settings = {"temperature": 1.5, "candidateCount": 8, "responseLogprobs": True, "logprobs": 2}
    found = [
        candidate
        for seed in range(50)
        for candidate in candidates(emulator, unsure, "note 3: a grey day", seed=seed, **settings)
    ]
    counts = Counter(texts(found))
    top = found[0]["logprobsResult"]["topCandidates"][0]["candidates"]
    reported = {option["token"]: exp(option["logProbability"]) for option in top}

    assert sum(reported.values()) == pytest.approx(1)
    for text, probability in reported.items():
        error = (probability * (1 - probability) / len(found)) ** 0.5
        assert abs(counts[text] / len(found) - probability) < 5 * error
    for candidate, text in zip(found, texts(found), strict=True):
        assert exp(candidate["avgLogprobs"]) == pytest.approx(reported[text])


@pytest.mark.parametrize("limit", [{"topK": 1}, {"topP": 0.5}, {"topP": 0}])
def test_limits_leave_the_likeliest_with_all_the_probability(
    emulator: EmulatorProcess, unsure: str, limit: dict[str, float]
) -> None:
    settings = {"temperature": 2, "candidateCount": 8, "responseLogprobs": True, "logprobs": 5}
    found = candidates(emulator, unsure, "note 3: a grey day", seed=1, **settings, **limit)

    assert texts(found) == ["A"] * 8
    assert {candidate["avgLogprobs"] for candidate in found} == {0.0}
    (reported,) = found[0]["logprobsResult"]["topCandidates"]
    assert [option["token"] for option in reported["candidates"]] == ["A"]


@pytest.mark.parametrize("limit", [{"topK": 2}, {"topP": 0.99}, {"topK": 64, "topP": 1}])
def test_limits_that_leave_nothing_out_change_nothing(
    emulator: EmulatorProcess, unsure: str, limit: dict[str, float]
) -> None:
    settings = {"temperature": 1.5, "responseLogprobs": True, "logprobs": 2}
    reported = [
        [
            option["logProbability"]
            for option in candidates(emulator, unsure, "note 3: a grey day", **settings, **more)[0][
                "logprobsResult"
            ]["topCandidates"][0]["candidates"]
        ]
        for more in (limit, {})
    ]

    assert len(reported[0]) == 2
    assert reported[0] == pytest.approx(reported[1])


@pytest.mark.parametrize("tuned", [True, False])
def test_a_seed_repeats_the_answers_and_without_one_they_vary(
    emulator: EmulatorProcess, unsure: str, *, tuned: bool
) -> None:
    target, text = (unsure, "note 3: a grey day") if tuned else (FLASH, MASK)

    def drawn(**config: Any) -> list[str]:
        return texts(candidates(emulator, target, text, temperature=2, candidateCount=8, **config))

    assert drawn(seed=5) == drawn(seed=5)
    assert len({tuple(drawn(seed=seed)) for seed in range(5)}) > 1
    assert len({tuple(drawn()) for _ in range(5)}) > 1


def test_at_temperature_0_all_candidates_are_the_usual_answer(
    emulator: EmulatorProcess, unsure: str
) -> None:
    usual = texts(candidates(emulator, unsure, "note 3: a grey day"))
    cold = candidates(emulator, unsure, "note 3: a grey day", temperature=0, candidateCount=3)

    assert texts(cold) == usual * 3 == ["A"] * 3
    assert [candidate.get("index", 0) for candidate in cold] == [0, 1, 2]


def test_probabilities_come_in_the_recorded_shape(emulator: EmulatorProcess) -> None:
    recorded = next(
        candidate
        for interaction in interactions("generateContent")
        for candidate in interaction["response_body"].get("candidates", [])
        if "logprobsResult" in candidate
    )
    found = candidates(emulator, FLASH, MASK, responseLogprobs=True, logprobs=5)[0]

    assert same_shape(found["logprobsResult"], recorded["logprobsResult"])
    assert isinstance(found["avgLogprobs"], float)


def test_probabilities_are_returned_only_when_asked_for(emulator: EmulatorProcess) -> None:
    plain = candidates(emulator, FLASH, MASK, logprobs=3)[0]
    chosen = candidates(emulator, FLASH, MASK, responseLogprobs=True)[0]

    assert not {"avgLogprobs", "logprobsResult"} & plain.keys()
    assert chosen["logprobsResult"].keys() == {"chosenCandidates"}


def test_tokens_beyond_the_limit_are_not_returned(emulator: EmulatorProcess, unsure: str) -> None:
    config: dict[str, Any] = {"responseLogprobs": True, "stopSequences": ["A"]}
    cut = candidates(emulator, unsure, "note 3: a grey day", **config)[0]

    assert cut["content"] == {"role": "model"}
    assert "logprobsResult" not in cut


def test_more_options_than_the_service_gives_are_refused(emulator: EmulatorProcess) -> None:
    body = {
        "contents": [{"role": "user", "parts": [{"text": "x"}]}],
        "generationConfig": {"responseLogprobs": True, "logprobs": 21},
    }
    response = plain_http.post(f"{emulator.url}/v1/{FLASH}:generateContent", json=body, timeout=300)

    assert response.status_code == 400
    assert "logprobs value of 21" in response.json()["error"]["message"]


def test_a_majority_of_samples_gives_the_usual_answer(
    emulator: EmulatorProcess, unsure: str
) -> None:
    votes: Counter[str] = Counter()
    for seed in range(6):
        found = candidates(
            emulator, unsure, "note 3: a grey day", temperature=1, candidateCount=8, seed=seed
        )
        votes.update(texts(found))

    assert len(votes) == 2
    assert votes.most_common(1)[0][0] == "A"
