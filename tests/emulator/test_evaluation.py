"""evaluateInstances through Google's client, and its metrics against published implementations."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, MethodNotImplemented
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.evaluation.metrics import score_rouge, stem_word
from tests.emulator.clients import rest_client
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess

LOCATION = "projects/lab/locations/us-central1"
PAIRS = [
    {"prediction": "the cat sat on the mat", "reference": "the cat sat on a mat"},
    {"prediction": "No.", "reference": "Yes."},
]
texts = st.text(alphabet="ab c.,1-&\n", max_size=40)


@pytest.fixture(scope="module")
def client(emulator: EmulatorProcess) -> Iterator[Any]:
    from google.cloud.aiplatform_v1 import EvaluationServiceClient

    client = rest_client(emulator, EvaluationServiceClient)
    yield client
    client.transport.close()


def evaluate(client: Any, **metric: Any) -> Any:
    return client.evaluate_instances(request={"location": LOCATION, **metric}, timeout=300)


def scores(values: Any) -> Any:
    return pytest.approx([value.score for value in values])


def test_exact_match_is_one_or_zero(client: Any) -> None:
    pairs = [*PAIRS, {"prediction": "a", "reference": "a"}]
    answer = evaluate(client, exact_match_input={"metric_spec": {}, "instances": pairs})
    assert [value.score for value in answer.exact_match_results.exact_match_metric_values] == [
        0.0,
        0.0,
        1.0,
    ]


def test_bleu_is_sacrebleus_sentence_score(client: Any) -> None:
    from sacrebleu import sentence_bleu

    answer = evaluate(client, bleu_input={"metric_spec": {}, "instances": PAIRS})
    assert scores(answer.bleu_results.bleu_metric_values) == [
        sentence_bleu(pair["prediction"], [pair["reference"]], use_effective_order=False).score
        / 100
        for pair in PAIRS
    ]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prediction=texts, reference=texts, effective=st.booleans())
def test_bleu_agrees_with_sacrebleu_on_any_text(
    client: Any, prediction: str, reference: str, *, effective: bool
) -> None:
    from sacrebleu import sentence_bleu

    pair = {"prediction": prediction, "reference": reference}
    spec = {"use_effective_order": effective}
    answer = evaluate(client, bleu_input={"metric_spec": spec, "instances": [pair]})
    theirs = sentence_bleu(prediction, [reference], use_effective_order=effective).score / 100
    assert scores(answer.bleu_results.bleu_metric_values) == [theirs]


@pytest.mark.parametrize(
    ("rouge_type", "expected"),
    # The figures of rouge_score's own README for this pair; rouge2 counted by hand: 2 of 7 and 8.
    [("rouge1", 0.70588), ("rouge2", 4 / 15), ("rougeL", 0.58824), ("rougeLsum", 0.58824)],
)
def test_rouge_gives_the_published_figures(client: Any, rouge_type: str, expected: float) -> None:
    pair = {
        "prediction": "The quick brown dog jumps on the log.",
        "reference": "The quick brown fox jumps over the lazy dog",
    }
    spec = {"rouge_type": rouge_type}
    answer = evaluate(client, rouge_input={"metric_spec": spec, "instances": [pair]})
    (value,) = answer.rouge_results.rouge_metric_values
    assert value.score == pytest.approx(expected, abs=1e-4)


def test_rouge_of_summaries_joins_the_sentences() -> None:
    # From rouge_score's own tests: recall 4 of 5, precision 4 of 10.
    lines = "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"
    reference = "w1 w2 w3 w4 w5"
    assert score_rouge(lines, reference, rouge_type="rougeLsum") == pytest.approx(8 / 15)
    ours, theirs = "One two. Three four!", "Three four. One two."
    split = score_rouge(ours, theirs, rouge_type="rougeLsum", split_summaries=True)
    assert split == 1
    assert score_rouge(ours, theirs, rouge_type="rougeLsum") == pytest.approx(0.5)


# The examples of Porter's paper (1980) for each step, and the words NLTK treats differently.
STEMS = """
caresses caress ponies poni caress caress cats cat feed feed agreed agre plastered plaster bled bled
motoring motor sing sing conflated conflat troubled troubl sized size hopping hop tanned tan
falling fall hissing hiss fizzed fizz failing fail filing file happy happi relational relat
conditional condit rational ration valenci valenc digitizer digit conformabli conform
radicalli radic differentli differ vileli vile analogousli analog vietnamization vietnam
predication predic operator oper feudalism feudal decisiveness decis hopefulness hope
callousness callous formaliti formal sensitiviti sensit sensibiliti sensibl triplicate triplic
formative form formalize formal electriciti electr electrical electr hopeful hope goodness good
revival reviv allowance allow inference infer airliner airlin gyroscopic gyroscop adjustable adjust
defensible defens irritant irrit replacement replac adjustment adjust dependent depend
adoption adopt communism commun activate activ angulariti angular homologous homolog
effective effect bowdlerize bowdler probate probat rate rate cease ceas controll control roll roll
generalizations gener oscillators oscil
dies die died die flies fli spied spi skies sky dying die news news proceed proceed enjoy enjoy
"""


def test_words_are_stemmed_as_published() -> None:
    words = STEMS.split()
    assert [stem_word(word) for word in words[::2]] == words[1::2]


@pytest.mark.parametrize(("use_stemmer", "expected"), [(False, 1 / 3), (True, 1.0)])
def test_rouge_compares_stems_when_asked(client: Any, use_stemmer: Any, expected: float) -> None:
    pair = {"prediction": "the testing ones", "reference": "THE tests one"}
    # Words of three letters and fewer are left alone, longer ones are not.
    pair = pair if use_stemmer else pair | {"reference": "the tests one"}
    spec = {"rouge_type": "rouge1", "use_stemmer": use_stemmer}
    answer = evaluate(client, rouge_input={"metric_spec": spec, "instances": [pair]})
    (value,) = answer.rouge_results.rouge_metric_values
    assert value.score == pytest.approx(expected)


def test_summaries_are_split_and_stemmed_over_the_wire(client: Any) -> None:
    pair = {"prediction": "Birds sing. Dogs barked!", "reference": "Dogs barking. Birds singing."}
    spec = {"rouge_type": "rougeLsum", "use_stemmer": True, "split_summaries": True}
    answer = evaluate(client, rouge_input={"metric_spec": spec, "instances": [pair]})
    assert [each.score for each in answer.rouge_results.rouge_metric_values] == [1.0]


def test_what_is_not_served_is_refused(client: Any, emulator: EmulatorProcess) -> None:
    with pytest.raises(BadRequest, match="rouge_type"):
        evaluate(client, rouge_input={"metric_spec": {"rouge_type": "rouge10"}, "instances": PAIRS})
    with pytest.raises(BadRequest, match="instance"):
        evaluate(client, bleu_input={"metric_spec": {}})
    with pytest.raises(MethodNotImplemented):
        evaluate(client, fluency_input={"instance": {"prediction": "x"}})
    url = f"{emulator.url}/v1beta1/{LOCATION}/:evaluateInstances"
    assert plain_http.post(url, json={}, timeout=300).status_code == 400
    assert plain_http.post(url, json={"exactMatch": {}}, timeout=300).json()["error"]["code"] == 400
