"""BLEU, chrF and ROUGE beside the libraries that define them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import Invalid
from service.evaluation.metrics.registry import METRICS
from tests.service.evaluation.published import published, value_of

EXPECTED = "metrics/sacrebleu_expected.json"
SYSTEM = "newstest2017.LIUM-NMT.4900.en-de"
WORDS = st.sampled_from(["the", "cats", "running", "a", "ponies", "relational", "x1", "é", "."])
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)
ROWS = st.lists(st.tuples(TEXTS, st.lists(TEXTS, min_size=1, max_size=3)), min_size=1, max_size=5)
CHINESE = "从去年起我们的服务在北京、上海运行。"
JAPANESE = "東京の天気は晴れです。"


def wmt(count: int) -> tuple[list[str], list[list[str]]]:
    lines = published("metrics/wmt17_en_de_shared.jsonl.gz")[:count]
    return [line[SYSTEM] for line in lines], [[line["ref"]] for line in lines]


def theirs(metric: Any, predictions: list[str], references: list[list[str]]) -> float:
    """Return the corpus score of a metric of sacreBLEU; rows may differ in their references."""
    most = max(map(len, references))
    streams = [
        [golds[at] if at < len(golds) else None for golds in references] for at in range(most)
    ]
    return float(metric.corpus_score(predictions, streams).score)


def test_chrf_equals_the_values_in_sacrebleus_own_tests() -> None:
    for predictions, references, expected in published(EXPECTED)["test_chrf"][
        "test_cases_effective_order"
    ]:
        found = value_of("chrf", predictions, [[each] for each in references])
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("cases", "beta"), [("test_sentence_level_chrf", 2), ("test_cases", 3)])
def test_the_counts_of_chrf_give_the_published_values_of_other_settings(
    cases: str, beta: int
) -> None:
    from sacrebleu.metrics.chrf import CHRF

    smoothed = CHRF(beta=beta, eps_smoothing=True)
    for predictions, references, expected in published(EXPECTED)["test_chrf"][cases]:
        rows = [predictions] if isinstance(predictions, str) else predictions
        golds = [[each] for each in references]
        sums = METRICS["chrf"].measure().statistics(rows, golds).sum(axis=0)
        assert smoothed._compute_f_score(list(sums)) == pytest.approx(expected, abs=1e-4)


def test_chrf_equals_the_worked_example_of_the_published_metric() -> None:
    predictions = [
        "The relationship between cats and dogs is not exactly friendly.",
        "a good bookshop is just a genteel black hole that knows how to read.",
    ]
    references = [
        ["The relationship between dogs and cats is not exactly friendly."],
        ["A good bookshop is just a genteel Black Hole that knows how to read."],
    ]
    assert value_of("chrf", predictions, references) == pytest.approx(84.64214891738334, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(rows=ROWS)
def test_chrf_equals_sacrebleus_with_any_number_of_references(
    rows: list[tuple[str, list[str]]],
) -> None:
    from sacrebleu.metrics.chrf import CHRF

    predictions, references = [said for said, _ in rows], [golds for _, golds in rows]
    expected = theirs(CHRF(), predictions, references)
    assert value_of("chrf", predictions, references) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", ["chrf", "sacrebleu", "sacrebleu_zh", "sacrebleu_char"])
def test_corpus_scores_of_published_translations_equal_sacrebleus(metric: str) -> None:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    predictions, references = wmt(300)
    tokeniser = metric.removeprefix("sacrebleu").removeprefix("_") or "13a"
    library = CHRF() if metric == "chrf" else BLEU(tokenize=tokeniser)
    expected = theirs(library, predictions, references)
    assert value_of(metric, predictions, references) == pytest.approx(expected, abs=1e-9)


def test_bleu_of_sums_equals_the_values_in_sacrebleus_own_tests() -> None:
    from service.evaluation.metrics.sacrebleu import corpus_bleu

    cases = published(EXPECTED)["test_bleu"]
    [[[[matches, answered], said, wanted], expected]] = cases["test_case_scoring"]
    sums = np.array([said, wanted, *matches, *answered], dtype=float)
    assert float(corpus_bleu(sums)) == pytest.approx(100 * expected, abs=1e-8)
    [[predictions, references, [matches, answered]]] = cases["test_case_statistics"]
    row = METRICS["sacrebleu"].measure().statistics(predictions, references)[0]
    assert row[2:].tolist() == [*matches, *answered]


def test_sentence_bleu_of_characters_equals_the_published_value() -> None:
    cases = published(EXPECTED)["test_sentence_bleu"]
    [[*_, expected]] = [
        case for case in cases["test_cases"] if case[0] == "exp" and case[2:4] == [False, "char"]
    ]
    found = value_of("sacrebleu_char", [cases["SYS"]], [[cases["REF"]]])
    assert found == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("gold", "metric"),
    [(CHINESE, "sacrebleu_zh"), (JAPANESE, "sacrebleu_char"), ("a cat sat on it", "sacrebleu")],
)
def test_by_script_a_row_is_cut_by_the_tokeniser_that_fits_its_reference(
    gold: str, metric: str
) -> None:
    said = gold[:-3]
    expected = value_of(metric, [said], [[gold]])
    assert 0 < expected < 100
    assert value_of("sacrebleu_by_script", [said], [[gold]]) == pytest.approx(expected)
    assert value_of("sacrebleu_by_script", [gold], [[gold]]) == pytest.approx(100)


def test_some_chinese_in_an_english_text_leaves_it_english() -> None:
    from service.evaluation.metrics.sacrebleu import tokeniser_for

    assert tokeniser_for("the city of 北京 is large") == "13a"
    assert tokeniser_for("ภาษาไทย") == "char"
    assert tokeniser_for("") == "13a"


@pytest.mark.parametrize(
    ("metric", "gold", "cautioned"),
    [
        ("sacrebleu", CHINESE, True),
        ("sacrebleu", "call back", True),
        ("sacrebleu", "please call me back", False),
        ("sacrebleu_zh", CHINESE, False),
        ("sacrebleu_zh", "call back", True),
        ("sacrebleu_zh", "请回电", True),
        ("sacrebleu_by_script", "call back", True),
        ("sacrebleu_by_script", JAPANESE, False),
        ("sacrebleu_char", "是", True),
        ("sacrebleu_char", "call back", False),
        ("sacrebleu", "don't stop", True),  # two tokens, though there are four words of letters
        ("sacrebleu", "well-known state-of-the-art", True),
        ("sacrebleu", "1,000.50 2,000.75", True),
        ("sacrebleu", "👍👍🎉🎉", True),
        ("sacrebleu", "def f(x):\n    return x + 1", False),
        ("sacrebleu", "나는 밥을 먹는 것을 좋아한다", False),
        ("sacrebleu", "أحب أن آكل الأرز", False),
        ("sacrebleu", "ຂ້ອຍມັກກິນເຂົ້າ", True),
        ("sacrebleu_by_script", "ຂ້ອຍມັກກິນເຂົ້າ", False),
        ("sacrebleu_by_script", "ខ្ញុំចូលចិត្តបាយ", False),
        ("sacrebleu_by_script", "ကျွန်တော်ထမင်းစားသည်", False),
        ("sacrebleu_by_script", "ꩡꩢꩣꩤꩥ", False),  # Burmese of the Shan
        ("sacrebleu_by_script", "ㄅㄆㄇㄈ", False),
        ("sacrebleu_by_script", "안녕하세요", True),
        ("chrf", "是", False),
        ("rouge1", "Это было в 2024 году", True),  # 2024 is all that ROUGE sees
        ("rouge1", "Was für ein schöner Tag", False),
        ("rouge1", CHINESE, True),
        ("rougeL", "call back", False),
    ],
)
def test_a_metric_cautions_of_references_that_it_cannot_score(
    metric: str, gold: str, *, cautioned: bool
) -> None:
    assert METRICS[metric].caution([[gold]]).startswith("1 of 1 rows: ") == cautioned
    if not cautioned:
        assert value_of(metric, [gold], [[gold]]) == pytest.approx(100)


def test_signatures_are_sacrebleus_own() -> None:
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    uneven: Any = [["a", "b"], ["a", None]]
    for metric, library in (
        ("sacrebleu", BLEU()),
        ("sacrebleu_zh", BLEU(tokenize="zh")),
        ("sacrebleu_char", BLEU(tokenize="char")),
        ("chrf", CHRF()),
    ):
        library.corpus_score(["a", "b"], uneven)
        assert METRICS[metric].signature == str(library.get_signature())
    assert "tok:13a,zh,char by script:2|" in METRICS["sacrebleu_by_script"].signature
    assert METRICS["squad_f1"].signature == "squad_f1|version:2"
    assert len({spec.signature for spec in METRICS.values()}) == len(METRICS)


@settings(deadline=None, max_examples=60)
@given(rows=ROWS)
@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougeL"])
@pytest.mark.parametrize("stems", [False, True])
def test_rouge_equals_rouge_score(
    kind: str, rows: list[tuple[str, list[str]]], *, stems: bool
) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer([kind], use_stemmer=stems)
    rates = [scorer.score_multi(golds, said)[kind].fmeasure for said, golds in rows]
    found = value_of(
        f"{kind}_stemmed" if stems else kind,
        [said for said, _ in rows],
        [golds for _, golds in rows],
    )
    assert found == pytest.approx(100 * sum(rates) / len(rates), abs=1e-9)


@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougeL"])
@pytest.mark.parametrize("stems", [False, True])
def test_rouge_of_published_translations_equals_rouge_score(kind: str, *, stems: bool) -> None:
    from rouge_score.rouge_scorer import RougeScorer

    predictions, references = wmt(200)
    scorer = RougeScorer([kind], use_stemmer=stems)
    rates = [
        scorer.score_multi(golds, said)[kind].fmeasure
        for said, golds in zip(predictions, references, strict=True)
    ]
    found = value_of(f"{kind}_stemmed" if stems else kind, predictions, references)
    assert found == pytest.approx(100 * sum(rates) / len(rates), abs=1e-9)


def test_rouge_equals_the_worked_example_of_the_published_metric() -> None:
    texts = ["hello there", "general kenobi"]
    for kind in ("rouge1", "rouge2", "rougeL"):
        assert value_of(kind, texts, [[each] for each in texts]) == 100


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_totals_take_sums_of_any_leading_shape(metric: str) -> None:
    measure = METRICS[metric].measure()
    said, golds = ["one two three four", "five six", "x"], [["one two three"], ["five six"], ["y"]]
    sums = np.cumsum(measure.statistics(said, golds), axis=0)
    alone = [float(measure.totals(each)) for each in sums]
    assert measure.totals(sums) == pytest.approx(alone)
    assert measure.totals(np.stack([sums, sums])) == pytest.approx(np.array([alone, alone]))


@pytest.mark.parametrize(
    ("said", "share"),
    [("The tower leans.", 100), ("Go away!", 0), ("qqq", 50), ("The tower leans, go.", 100)],
)
def test_an_answer_is_nearer_to_the_chosen_or_to_the_rejected_one(said: str, share: float) -> None:
    golds = METRICS["chosen_over_rejected"].golds(["The tower leans."], text="", rejected="Go away")
    assert value_of("chosen_over_rejected", [said], [list(golds)]) == share


def test_a_row_without_a_rejected_answer_is_not_compared_with_one() -> None:
    with pytest.raises(Invalid) as refused:
        METRICS["chosen_over_rejected"].golds(["a"], text="b", rejected="")
    assert refused.value.code == "pairs_required"
