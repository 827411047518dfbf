"""The metrics as modules of Hugging Face `evaluate`, whose scores are those of the service."""

import sys
from pathlib import Path
from typing import Any

import pytest

from service.evaluation.metrics.registry import METRICS
from service.evaluation.metrics.user_metrics import load_user_metrics
from tests.service.evaluation.published import value_of


@pytest.fixture(scope="module")
def evaluate() -> Any:
    """The library without transformers, which it imports with PyTorch where they are installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "transformers", None)
        import evaluate
    return evaluate


def test_every_metric_is_an_evaluate_module_that_makes_no_folder(
    evaluate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path / "cache")
    said, golds = ["one two", "A", "call x"], [["one two three"], ["A", "the"], ["x", "call"]]
    cautions = set()
    for name, spec in METRICS.items():
        module = spec.load()
        assert isinstance(module, evaluate.Metric)
        answer = module.compute(predictions=said, references=golds)
        assert answer["score"] == value_of(name, said, golds)
        assert (answer["statistics"] == spec.measure().statistics(said, golds)).all()
        assert answer["caution"] == spec.caution(golds)
        cautions.add(answer["caution"])
    assert any(caution.startswith("1 of 3 rows: SQuAD's normalisation") for caution in cautions)
    assert "" in cautions
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("evaluate")
def test_a_metric_of_a_users_own_is_one_too(tmp_path: Path) -> None:
    (tmp_path / "same_start.py").write_text(
        "def earned(prediction, reference):\n    return prediction[:1] == reference[:1]\n"
    )
    (spec,) = load_user_metrics(tmp_path)
    assert spec.load().compute(predictions=["a"], references=[["a"]])["score"] == 100
