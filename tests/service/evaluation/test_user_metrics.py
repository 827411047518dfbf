"""A metric of a user's own is one file."""

from pathlib import Path

import pytest

from service.container import Container
from service.errors import Invalid
from service.evaluation.metrics.registry import METRICS
from service.evaluation.metrics.user_metrics import load_user_metrics
from service.evaluation.scoring.metric_runs import MetricRun
from service.evaluation.scoring.scores import Scored
from service.inference.ports import Outcome
from service.settings import Settings

SAME_START = '''"""Whether the first letter is right."""
TITLE = "same first letter"
BINARY = True


def earned(prediction: str, reference: str) -> float:
    return float(prediction[:1] == reference[:1])
'''


@pytest.fixture
def _as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METRICS, "_entries", dict(METRICS))


@pytest.mark.usefixtures("_as_before")
def test_a_file_in_the_folder_is_a_metric_of_every_process(tmp_path: Path) -> None:
    (tmp_path / "same_start.py").write_text(SAME_START)
    settings = Settings(data_dir=tmp_path, metrics_folder=str(tmp_path))

    for _ in range(2):  # each process, and each container in one
        Container(settings)

    spec = METRICS.find("same_start")
    assert (spec.title, spec.binary) == ("same first letter", True)
    run = MetricRun("same_start", references=(), normal_form="verbatim")
    run.take(
        [
            Scored("1", Outcome.OK, "apple", ("axe",), "a"),
            Scored("2", Outcome.OK, "pear", ("axe",), "b"),
        ]
    )
    score = run.score()
    assert score.value == 50
    assert score.signature.startswith("same_start|sha256:")


@pytest.mark.usefixtures("_as_before")
def test_a_value_outside_0_to_1_is_the_metrics_failure(tmp_path: Path) -> None:
    (tmp_path / "wild.py").write_text("def earned(prediction, reference):\n    return 2\n")
    (spec,) = load_user_metrics(tmp_path)
    METRICS.add(spec.name, spec)
    run = MetricRun("wild", references=(), normal_form="verbatim")

    assert run.take([Scored("1", Outcome.OK, "a", ("a",), "a")]) == [None]
    assert run.score().error == "ValueError"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("no_function.py", "x = 1", "`earned"),
        ("Upper.py", SAME_START, "lower-case"),
        ("vertex_bleu.py", SAME_START, "scores of others"),
        ("judge_tone.py", SAME_START, "scores of others"),
        ("raises.py", "raise RuntimeError('secret')", "RuntimeError"),
    ],
)
def test_a_file_that_is_no_metric_is_named(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(Invalid, match=words) as caught:
        load_user_metrics(tmp_path)

    assert name in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.usefixtures("_as_before")
def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "accuracy.py").write_text(SAME_START)

    with pytest.raises(Invalid, match="accuracy"):
        Container(Settings(data_dir=tmp_path, metrics_folder=str(tmp_path)))
