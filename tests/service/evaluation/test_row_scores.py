"""What an experiment compares, read back from the rows of a finished evaluation."""

from dataclasses import dataclass

import pytest

from service.datasets.examples import Split
from service.datasets.queries import ready_dataset
from service.evaluation.exports.row_scores import read_shared_rows, read_variant_scores
from service.evaluation.metrics.registry import METRICS
from service.evaluation.models import ScoreRow
from service.inference.ports import Generation, GenerationRequest, Outcome
from tests.service.evaluation.conftest import ROWS, Oracle, Room
from tests.support.stored_examples import read_examples


@dataclass
class HalfRight(Oracle):
    """Answers every other example by its reference, the others by their text."""

    def know(self, room: Room) -> None:
        with room.sessions.reading() as session:
            view = ready_dataset(room.dataset_id, project_id=room.project_id, session=session)
        test = read_examples(view.examples_key, Split.TEST, store=room.store)
        self.answers = {
            each.text: each.text if place % 2 else each.references[0]
            for place, each in enumerate(test)
        }

    async def generate(self, request: GenerationRequest) -> Generation:
        [answer] = [said for text, said in self.answers.items() if text in request.texts[-1]]
        return Generation(Outcome.OK, text=answer, prompt_tokens=2, output_tokens=1)


def test_every_metric_is_stored_and_rows_read_back_add_up_to_its_score(room: Room) -> None:
    oracle = HalfRight()
    oracle.know(room)
    room.oracle = oracle
    evaluation = room.evaluate(room.reserve(metrics=sorted(METRICS)))
    with room.sessions.reading() as session:
        view = ready_dataset(room.dataset_id, project_id=room.project_id, session=session)
        scores = session.query(ScoreRow).filter_by(evaluation_id=evaluation.id)
        stored = {each.metric: each.value for each in scores}
    assert stored["accuracy"] == 50
    assert set(stored) == set(METRICS)
    for metric in ("chrf", "squad_f1", "macro_f1", "exact_match", "pii_entity_f1", "pii_leak_rate"):
        test = read_shared_rows(view, Split.TEST, metric=metric, store=room.store)
        rows = read_variant_scores(
            "half",
            evaluation.id,
            metric=metric,
            form=view.answer,
            project_id=room.project_id,
            sessions=room.sessions,
            store=room.store,
        )
        assert len(rows.statistics) == len(rows.worst) == len(test.groups) == ROWS
        assert float(test.totals(rows.statistics.sum(axis=0))) == pytest.approx(stored[metric])
        sign = 1 if METRICS[metric].higher_is_better else -1
        worst, best = (float(test.totals(each.sum(axis=0))) for each in (rows.worst, rows.best))
        assert sign * worst - 1e-9 <= sign * (stored[metric] or 0) <= sign * best + 1e-9
    assert 0 < (stored["macro_f1"] or 0) < 100
    assert 0 < (stored["pii_entity_f1"] or 0) < 100
