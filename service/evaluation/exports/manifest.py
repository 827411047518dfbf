"""The manifest of a finished evaluation: what its results are of."""

from importlib.metadata import version
from pathlib import PurePosixPath

from service.database import Sessions
from service.datasets.queries import get_dataset
from service.evaluation.exports.schemas import EvaluationManifest, ScoreSignature
from service.evaluation.judges.reports import JudgeReport
from service.evaluation.models import Evaluation
from service.evaluation.queries import get_evaluation, table_key_of
from service.evaluation.schemas import VariantKind
from service.evaluation.scoring.confidence import ConfidenceReport
from service.evaluation.scoring.findings import AnswerFinding
from service.evaluation.scoring.row_table import VERSION
from service.evaluation.setup_schemas import EvaluationSetup


def evaluation_manifest(
    evaluation_id: str, *, project_id: str, sessions: Sessions
) -> EvaluationManifest:
    """Return the manifest; raises NotFound, Conflict `not_ready`."""
    row, scores = get_evaluation(evaluation_id, project_id=project_id, sessions=sessions)
    key = table_key_of(evaluation_id, project_id=project_id, sessions=sessions)
    dataset = get_dataset(row.dataset_id, project_id=project_id, sessions=sessions)
    return EvaluationManifest(
        id=row.id,
        created_at=row.created_at,
        ready_at=row.ready_at,
        version=version("tunecurve-server"),
        dataset=row.dataset_id,
        dataset_fingerprint=dataset.fingerprint,
        preset=dataset.preset,
        split=row.split,
        rows=row.rows,
        variant=VariantKind(row.kind),
        model=row.model_id,
        base_model=row.base_model,
        shots=row.shots,
        setup=EvaluationSetup.model_validate(row.setup) if row.setup else None,
        metrics=[
            ScoreSignature(metric=each.metric, signature=each.signature, value=each.value)
            for each in scores
        ],
        outcomes=row.outcomes,
        findings=[AnswerFinding.model_validate(each) for each in row.findings or ()],
        confidence=[ConfidenceReport.model_validate(each) for each in row.confidence or ()],
        judge=JudgeReport.model_validate(row.judge) if row.judge else None,
        table_sha256=PurePosixPath(key).stem,
        table_version=table_version(row),
        synthetic=row.synthetic,
        unlisted_model=row.unlisted_model,
    )


def table_version(row: Evaluation) -> int:
    """Return the version of an evaluation's table: 3 has no confidence but votes, 2 no answers."""
    if row.confidence is not None:
        return VERSION
    return VERSION - 1 if row.setup else VERSION - 2
