"""The metrics against the numbers their authors publish."""

import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Invalid
from service.evaluation.metrics.registry import METRICS
from tests.service.evaluation.published import published, value_of

ROOT = Path(__file__).parents[3]
COUNTS = st.integers(0, 40)
CORPUS = {spec.name for spec in METRICS.values() if spec.level == "corpus"}


def test_the_known_metrics_are_listed_without_importing_what_computes_them() -> None:
    lines = [
        "import sys",
        "import service.evaluation.scoring.scores",
        "from service.evaluation.metrics.registry import METRICS",
        "assert len(METRICS) >= 11",
        "assert not {'evaluate', 'datasets', 'sacrebleu'} & set(sys.modules)",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, cwd=ROOT)


def test_stems_are_computed_without_the_rest_of_nltk_and_leave_nothing_in_its_place() -> None:
    lines = [
        "import sys",
        "from service.evaluation.metrics.rouge import split_words",
        "assert split_words('all ponies', stems=True) == ['all', 'poni']",
        "assert not {'nltk', 'nltk.stem', 'scipy', 'sklearn'} & set(sys.modules)",
    ]
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True, cwd=ROOT)


def test_an_unknown_metric_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(Invalid, match="accuracy, chosen_over_rejected, chrf") as caught:
        METRICS.find("meteor", pointer="/spec/metric")
    assert caught.value.faults[0].pointer == "/spec/metric"


def test_corpus_bleu_equals_the_values_in_sacrebleus_own_tests() -> None:
    cases = published("metrics/sacrebleu_expected.json")["test_bleu"]["test_corpus_bleu_cases"]
    default = [case for case in cases if case[2] in ({}, {"tokenize": "13a"})]
    assert len(default) == 3
    for predictions, streams, _, expected in default:
        references = [list(each) for each in zip(*streams, strict=True)]
        assert value_of("sacrebleu", predictions, references) == pytest.approx(expected, abs=1e-5)


def test_bleu_equals_the_worked_example_of_the_published_metric() -> None:
    predictions = ["hello there general kenobi", "on our way to ankh morpork"]
    references = [
        ["hello there general kenobi", "hello there !"],
        ["goodbye ankh morpork", "ankh morpork"],
    ]
    assert round(value_of("sacrebleu", predictions, references), 1) == 39.8


@pytest.mark.parametrize(
    ("metric", "predictions", "references", "expected"),
    [
        ("accuracy", "011210", "012012", 50),
        (
            "exact_match",
            ["cat?", "theater", "yelling", "agent"],
            ["the cat", "theater", "YELLING", "agent007"],
            25,
        ),
        ("squad_exact_match", ["1976"], ["1976"], 100),
        ("squad_f1", ["1976"], ["1976"], 100),
        ("squad_v2_exact_match", ["1976"], ["1976"], 100),
        ("squad_v2_f1", ["1976"], ["1976"], 100),
    ],
)
def test_scores_equal_the_worked_examples_of_the_published_metrics(
    metric: str, predictions: list[str], references: list[str], expected: float
) -> None:
    assert value_of(metric, list(predictions), [[each] for each in references]) == expected


def test_rows_may_differ_in_how_many_references_they_have() -> None:
    predictions = ["the cat sat on a mat", "it ran"]
    twice = [["the cat sat on the mat", "the cat sat"], ["it ran off", "it ran off"]]
    for metric in (name for name, spec in METRICS.items() if not spec.reads_rejected):
        assert value_of(metric, predictions, [twice[0], twice[1][:1]]) == value_of(
            metric, predictions, twice
        )


@settings(deadline=None)
@given(
    counts=st.lists(st.tuples(COUNTS, COUNTS), min_size=4, max_size=4),
    reference_length=COUNTS,
)
def test_bleu_from_sums_equals_sacrebleu_from_the_same_sums(
    counts: list[tuple[int, int]], reference_length: int
) -> None:
    from sacrebleu.metrics.bleu import BLEU

    from service.evaluation.metrics.sacrebleu import corpus_bleu

    answered = [max(pair) for pair in counts]
    matches = [min(pair) for pair in counts]
    said = answered[0]  # words answered are 1-grams answered
    sums = np.array([said, reference_length, *matches, *answered], dtype=float)
    expected = BLEU.compute_bleu(
        matches, answered, said, reference_length, smooth_method="exp"
    ).score
    assert float(corpus_bleu(sums)) == pytest.approx(expected, abs=1e-9)


def test_squad_scores_equal_the_official_script_question_by_question() -> None:
    articles = published("squad/squad_v1.1_dev_shared.json.gz")["data"]
    predictions = published("squad/predictions_cag9_bert_shared.json.gz")
    official = published("squad/predictions_cag9_bert_shared_official_scores.jsonl.gz")
    golds = {
        question["id"]: [gold["text"] for gold in question["answers"]]
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    said = [predictions[row["id"]] for row in official]
    references = [golds[row["id"]] for row in official]
    for metric, column, total in (
        ("squad_exact_match", "exact_match", 66.6885),
        ("squad_f1", "f1", 77.3710),
        # 2.0 differs where normalisation leaves nothing, which changes none of these rows.
        ("squad_v2_exact_match", "exact_match", 66.6885),
        ("squad_v2_f1", "f1", 77.3710),
    ):
        rows = METRICS[metric].measure().statistics(said, references)
        assert rows[:, 0] == pytest.approx([row[column] for row in official])
        assert value_of(metric, said, references) == pytest.approx(total, abs=5e-5)


@pytest.mark.parametrize(
    ("metric", "prediction", "reference", "expected"),
    [
        ("exact_match", " a cat \n", "a cat", 100),
        ("exact_match", "A cat", "a cat", 0),
        ("accuracy", " Positive\n", "positive", 100),
        ("accuracy", "STRASSE", "straße", 100),
        ("accuracy", "it is positive", "positive", 0),
        ("squad_exact_match", "The  Cats!", "cats", 100),
        ("squad_exact_match", "catty", "cats", 0),
        ("squad_f1", "the black cat", "black cat sat", 80),
        ("squad_f1", "", "cats", 0),
        ("squad_f1", "A", "A", 0),
        ("squad_v2_f1", "A", "A", 100),
        ("squad_v2_f1", "cats", "", 0),
        ("squad_v2_f1", "the black cat", "black cat sat", 80),
        ("squad_v2_exact_match", "", "", 100),
        ("squad_v2_exact_match", "The  Cats!", "cats", 100),
        ("lowercase_exact_match", " The\n Cats", "the cats", 100),
        ("lowercase_exact_match", "The Cats!", "cats", 0),
        ("lowercase_f1", "The black cat", "black cat", 80),
        ("lowercase_f1", "A", "a", 100),
        ("normalised_match", "Positive.", "positive", 100),
        ("normalised_match", "```\npositive\n```", "positive", 100),
        ("normalised_match", "STRASSE", "straße", 100),
        ("normalised_match", "cafe\u0301", "café", 100),
        ("normalised_match", "正确。", "正确", 100),
        ("normalised_match", "it is positive", "positive", 0),
        ("normalised_match", "!", "?", 0),
        ("normalised_match", "C#", "C", 0),
        ("multilingual_f1", "北京大學", "北京大學圖書館", 100 * 8 / 11),
        ("multilingual_f1", "東京都庁", "東京都庁。", 100),
        ("multilingual_f1", "กรุงเทพ", "กรุงเทพ", 100),
        ("multilingual_f1", "the black cat", "black cat sat", 200 / 3),
        ("multilingual_f1", "A", "A", 100),
        ("multilingual_f1", "?", "?", 100),
        ("multilingual_f1", "cafe\u0301", "CAFÉ", 100),
        ("multilingual_f1", "STRASSENBAHN", "Straßenbahn", 100),
        ("multilingual_f1", "\uff11\uff19\uff17\uff16年", "1976年", 100),
        ("multilingual_f1", "\u0661\u0669\u0667\u0666", "1976", 100),
        ("multilingual_f1", "1,000", "1000", 100),
        ("multilingual_f1", "12\u00a0345\u202f678,90", "12345678.90", 100),
        ("multilingual_f1", "1,50,000", "150000", 100),
        ("multilingual_f1", "1.5", "15", 0),
        ("multilingual_f1", "-5", "5", 0),
        ("multilingual_f1", "\u22125", "-5", 100),
        ("multilingual_f1", "C#", "C", 0),
        ("multilingual_f1", "C++", "C", 0),
        ("multilingual_f1", "「北京」，上海", "北京上海", 100),  # noqa: RUF001  as it is written
        ("multilingual_f1", "the", "the", 100),
        ("normalised_match", "**Positive.**", "positive", 100),
        ("normalised_match", "«Positive»", "positive", 100),
        ("normalised_match", "\uff59\uff45\uff53\uff01", "yes", 100),
        ("normalised_match", "\u0664\u0662", "42", 100),
        ("normalised_match", "[NAME]", "NAME", 0),
    ],
)
def test_an_answer_earns(metric: str, prediction: str, reference: str, expected: float) -> None:
    assert value_of(metric, [prediction], [[reference]]) == pytest.approx(expected)


@pytest.mark.parametrize(
    "metric", [spec.name for spec in METRICS.values() if spec.name not in CORPUS]
)
def test_the_kindest_reference_counts(metric: str) -> None:
    golds = ["a red car", "the blue car", "a green car"]
    assert value_of(metric, ["the blue car"], [golds]) == 100


def test_answers_without_spaces_earn_for_the_characters_they_share() -> None:
    case = published("../cases/data/28a-squad-f1-chinese/pairs.json")
    assert all(value_of("multilingual_f1", [said], [golds]) > 70 for said, golds in case["pairs"])


@pytest.mark.parametrize(
    ("golds", "said", "expected"),
    [(["A", "vitamin B"], "a", 0), (["the", "A"], "", 100), ([""], "cats", 0), ([""], "the", 100)],
)
def test_squad_2_drops_references_that_are_empty_unless_all_are(
    golds: list[str], said: str, expected: float
) -> None:
    """As evaluate-v2.0.py does before it compares."""
    assert value_of("squad_v2_exact_match", [said], [golds]) == expected
    assert value_of("squad_v2_f1", [said], [golds]) == expected


def test_references_that_squads_normalisation_empties_are_cautioned_of() -> None:
    golds = [["A"], ["cats"], ["B", "The"], ["+"]]
    for metric in ("squad_f1", "squad_exact_match"):
        assert METRICS[metric].caution(golds).startswith("3 of 4 rows: SQuAD's normalisation")
        assert METRICS[metric].caution([["cats"]]) == ""
    distinctive = [
        ["-5"],
        ["1.5"],
        ["C++"],
        ["C#"],
        ["1,000"],
        ["ten"],
        ["St. John"],
        ["well-known"],
    ]
    distinctive += [["北京大學圖書館"], ["ผัดไทย"]]
    for metric in ("squad_f1", "squad_v2_f1", "squad_v2_exact_match"):
        assert (
            METRICS[metric].caution(distinctive).startswith("6 of 10 rows: SQuAD's normalisation")
        )


@settings(deadline=None, max_examples=50)
@given(text=st.text(max_size=30))
def test_a_text_equals_itself_however_it_is_dressed(text: str) -> None:
    for dressed in (
        text,
        f" {text}\n",
        f"```text\n{text}\n```",
        unicodedata.normalize("NFD", text),
    ):
        assert value_of("normalised_match", [dressed], [[text]]) == 100
    assert value_of("multilingual_f1", [text], [[text]]) == 100 * bool(text.strip())


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(
        st.tuples(st.text(max_size=20), st.lists(st.text(max_size=20), min_size=1, max_size=3)),
        min_size=1,
        max_size=6,
    )
)
@pytest.mark.parametrize("metric", sorted(METRICS))
def test_a_score_lies_between_the_bounds_of_its_metric(
    metric: str, rows: list[tuple[str, list[str]]]
) -> None:
    score = value_of(metric, [said for said, _ in rows], [golds for _, golds in rows])
    assert 0 <= score <= METRICS[metric].scale + 1e-9
