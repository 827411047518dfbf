"""Drawn answers: honest probabilities, repeatable by seed, the usual answer at temperature 0."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise, product
from math import exp, isclose
from random import Random

import numpy as np
import pytest

from emulator.learners.alignment import KEEP
from emulator.learners.chain import Chain
from emulator.learners.distributions import Categorical, Sample, SamplingParameters
from emulator.learners.rules.base_model import answer_base, base_distribution
from emulator.learners.tokens import tokenize
from emulator.learners.tuned_model import TunedModel, train_model
from tests.emulator.learners.pairs import ANSWER, CLASSIFY, MASK
from tests.emulator.learners.test_tuned_model import HEADS

HOT = SamplingParameters(temperature=2.0, count=20, top=5)
QUESTION = ANSWER.format("Ada Lovelace met Bo Hall in Oslo in 1843.", "Who met Bo in Oslo?")
BASE = [
    CLASSIFY.format("I love this, great work"),
    f"{MASK}\n\nText: Write to bo@example.org on 2024-05-01.",
    QUESTION,
    "Return JSON with the keys date, people and email.\n\nText: For 4 on 2024-05-01",
    "Tell me a story.",
    CLASSIFY.replace("Return only the label.", "Think step by step. End with Answer:").format("hm"),
]
heads = pytest.mark.parametrize("head", HEADS)


@pytest.fixture(scope="module")
def models() -> dict[str, TunedModel]:
    """One epoch at a small step: models that are not sure of themselves."""
    return {
        head: train_model(rows, epochs=1, learning_rate_multiplier=0.2)
        for head, rows in HEADS.items()
    }


def dice_of(seed: int) -> Random:
    return Random(seed)  # noqa: S311  repeatable draws, nothing secret


def frequencies_agree(drawn: list[Sample], *, text: str) -> bool:
    """Compare an answer's share with the stated probability, at five standard errors."""
    stated = exp(next(draw for draw in drawn if draw.text == text).log_probability)
    share = sum(draw.text == text for draw in drawn) / len(drawn)
    return bool(abs(share - stated) < 5 * (stated * (1 - stated) / len(drawn)) ** 0.5 + 1e-9)


@heads
def test_at_temperature_0_the_usual_answer_is_drawn(
    models: dict[str, TunedModel], head: str
) -> None:
    prompts = [prompt for prompt, _ in HEADS[head][:15]] + ["", "Text: new", "漢字 🙂"]
    drawn = [models[head].draw(prompt, SamplingParameters(count=2)) for prompt in prompts]

    assert [draws[0].text for draws in drawn] == models[head].answer_many(prompts)
    assert all(first == second for first, second in drawn)
    assert all(draws[0].log_probability <= 1e-9 for draws in drawn)


@heads
def test_a_seed_repeats_the_draws_and_others_differ(
    models: dict[str, TunedModel], head: str
) -> None:
    prompt = HEADS[head][0][0]
    texts = [
        [draw.text for draw in models[head].draw(prompt, replace(HOT, seed=seed))]
        for seed in range(6)
    ]

    assert texts[0] == [draw.text for draw in models[head].draw(prompt, HOT)]
    assert len({text for draws in texts for text in draws}) > 1


@heads
def test_answers_come_as_often_as_their_probability_says(
    models: dict[str, TunedModel], head: str
) -> None:
    drawn = models[head].draw(HEADS[head][0][0], replace(HOT, count=1500, top=0, seed=5))
    common = Counter(draw.text for draw in drawn).most_common(3)

    assert all(frequencies_agree(drawn, text=text) for text, _ in common)


@heads
def test_limits_keep_the_probabilities_honest(models: dict[str, TunedModel], head: str) -> None:
    limits = replace(HOT, top_k=2, top_p=0.9, count=800, top=5, seed=5)
    drawn = models[head].draw(HEADS[head][0][0], limits)
    text, _ = Counter(draw.text for draw in drawn).most_common(1)[0]

    assert frequencies_agree(drawn, text=text)
    for choice in drawn[0].choices:
        assert len(choice.options) <= 2
        assert sum(exp(log) for _, log in choice.options) == pytest.approx(1)


@heads
def test_the_choices_spell_the_answer_and_lead_the_options(
    models: dict[str, TunedModel], head: str
) -> None:
    cold = models[head].draw(HEADS[head][0][0], replace(HOT, temperature=0))[0]

    assert "".join(choice.token for choice in cold.choices).strip() == cold.text
    for choice in cold.choices:
        logs = [log for _, log in choice.options]
        assert logs == sorted(logs, reverse=True)
        assert sum(map(exp, logs)) < 1 + 1e-9
        assert any(isclose(log, choice.log_probability, abs_tol=1e-9) for log in logs)


def test_a_chain_draws_paths_by_their_exact_probability() -> None:
    chance = np.random.default_rng(0)
    tokens, classes = tokenize("one two three"), [KEEP, "[A]", ""]
    scores = np.log(chance.dirichlet(np.ones(3), size=3)).astype(np.float32)
    transitions = chance.normal(size=(3, 3)).astype(np.float32)
    weights = {
        path: exp(
            sum(float(scores[at, tag]) for at, tag in enumerate(path))
            + sum(float(transitions[a, b]) for a, b in pairwise(path))
        )
        for path in product(range(3), repeat=3)
    }
    rng = dice_of(1)

    drawn = [
        Chain(tokens, classes, scores, transitions).draw(SamplingParameters(1.0), rng)
        for _ in range(60)
    ]

    known = sorted(weight / sum(weights.values()) for weight in weights.values())
    for draw in drawn:
        assert any(isclose(exp(draw.log_probability), share, rel_tol=1e-5) for share in known)


def test_a_cold_draw_sharpens_and_a_hot_one_flattens() -> None:
    decision = Categorical(["a", "b"], np.log([0.8, 0.2]))
    stated = [
        exp(decision.draw(SamplingParameters(heat, top=2), dice_of(0)).choices[0].options[0][1])
        for heat in (0.5, 1.0, 2.0)
    ]

    assert stated == pytest.approx([16 / 17, 0.8, 2 / 3])


def test_equal_options_count_as_one() -> None:
    drawn = Categorical(["a", "b", "a"], np.log([0.3, 0.4, 0.3])).draw(
        SamplingParameters(1.0, top=3), dice_of(0)
    )

    assert dict(drawn.choices[0].options) == pytest.approx({"a": np.log(0.6), "b": np.log(0.4)})


@pytest.mark.parametrize("prompt", BASE)
def test_the_base_model_wavers_between_its_answer_and_its_slips(prompt: str) -> None:
    distribution = base_distribution([("user", prompt)])
    rng = dice_of(2)
    drawn = [distribution.draw(SamplingParameters(1.0), rng) for _ in range(1500)]
    (likeliest, _), *_ = Counter(draw.text for draw in drawn).most_common(1)

    assert (
        distribution.draw(SamplingParameters(), rng).text
        == answer_base([("user", prompt)])
        == likeliest
    )
    assert all(frequencies_agree(drawn, text=text) for text in {draw.text for draw in drawn})


def test_a_majority_of_samples_is_right_more_often_than_one() -> None:
    chance = dice_of(4)
    stated = [
        (f"Text: {' '.join(chance.choices(words, k=9))}", label)
        for words, label in ((["sun", "sun", "rain"], "fair"), (["rain", "rain", "sun"], "foul"))
        for _ in range(100)
    ]
    model = train_model(stated, epochs=1, learning_rate_multiplier=0.3)
    single = majority = 0.0
    for at, (prompt, label) in enumerate(stated):
        texts = [
            draw.text for draw in model.draw(prompt, SamplingParameters(1.0, count=9, seed=at))
        ]
        single += sum(text == label for text in texts) / len(texts)
        majority += Counter(texts).most_common(1)[0][0] == label

    assert majority > single + 10
