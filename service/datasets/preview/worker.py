"""The subprocess that previews a source: files are untrusted, and only limits on a process hold."""

import math
import resource
import sys

from service.datasets.preview.columns import masked_rows, preview_columns
from service.datasets.preview.preset_fit import preset_fits, try_preset
from service.datasets.preview.schemas import (
    PreparedSample,
    PreviewFault,
    SampleRequest,
    SourceEstimate,
    SourcePreview,
)
from service.datasets.preview.source_head import SourceHead, read_head
from service.datasets.row_faults import RowFault
from service.datasets.schemas import PrepareSpec
from service.datasets.validation.token_counts import BYTES_PER_TOKEN, UNMEASURED_ERROR
from service.errors import Invalid

_FAULTS_SHOWN = 5  # of each code
_MEMORY_BYTES = 1 << 30
_REFUSED = 3


def main() -> int:
    """Read the request on standard input; print the answer, or the error and return 3."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = SampleRequest.model_validate_json(sys.stdin.read())
    try:
        head = read_head(request)
        answer = _preview(head) if request.spec is None else _sample(head, request.spec)
    except Invalid as error:
        print(PreviewFault(row=0, code=error.code, message=error.message).model_dump_json())  # noqa: T201  the parent reads standard output
        return _REFUSED
    print(answer.model_dump_json())  # noqa: T201  the same
    return 0


def _preview(head: SourceHead) -> SourcePreview:
    size = sum(len(text.encode()) for row in head.rows for text in row.fields.values())
    scale = head.total / max(len(head.rows), 1)
    return SourcePreview(
        rows_read=len(head.rows),
        columns=list(preview_columns(head)),
        first_rows=masked_rows(head),
        faults=list(_first_of_each(head.faults)),
        assumed_encodings=head.assumed_encodings,
        presets=preset_fits(head),
        estimate=SourceEstimate(
            rows=head.total,
            rows_exact=head.exact,
            tokens=round(size * scale / BYTES_PER_TOKEN),
            tokens_error=UNMEASURED_ERROR,
        ),
    )


def _first_of_each(faults: list[RowFault]) -> list[PreviewFault]:
    by_code: dict[str, list[RowFault]] = {}
    for fault in sorted(faults, key=lambda each: each.row):
        by_code.setdefault(fault.code, []).append(fault)
    return [
        PreviewFault(row=each.row, code=code, message=each.message)
        for code, found in by_code.items()
        for each in found[:_FAULTS_SHOWN]
    ]


def _sample(head: SourceHead, spec: PrepareSpec) -> PreparedSample:
    preset = spec.make_preset()
    trial = try_preset(preset, head.rows, columns=spec.columns)
    lengths = {"text": trial.texts, "target": trial.targets}
    return PreparedSample(
        rows=head.total,
        rows_exact=head.exact,
        rows_read=len(head.rows),
        converted=len(trial.texts),
        dropped=trial.dropped,
        refused=dict(trial.refused),
        lengths={name: _percentiles(sorted(values)) for name, values in lengths.items()},
    )


def _percentiles(ordered: list[int]) -> dict[str, int]:
    if not ordered:
        return {}
    shares = {"p50": 0.5, "p95": 0.95}
    return {name: ordered[math.ceil(len(ordered) * share) - 1] for name, share in shares.items()}


if __name__ == "__main__":
    sys.exit(main())
