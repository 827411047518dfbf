"""One example of each object, as the contract shows it."""

from typing import Any

Example = dict[str, Any]

_BODY = "01jd5v3q8e7z2m4n6p8r0s2t4v"
CREATED = "2026-11-21T08:00:00Z"
READY = "2026-11-21T08:04:12Z"
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

JOB_ID, FILE_ID, DATASET_ID = f"job_{_BODY}", f"file_{_BODY}", f"ds_{_BODY}"
MODEL_ID, EVALUATION_ID, EXPERIMENT_ID = f"model_{_BODY}", f"eval_{_BODY}", f"exp_{_BODY}"

PREPARE_SPEC: Example = {
    "preset": "pii",
    "source": {"type": "synthetic", "rows": 3000, "seed": 0},
    "train_sizes": [50, 200, 800],
    "test_size": 200,
}
EXPERIMENT_REQUEST: Example = {
    "kind": "experiment",
    "spec": {"prepare": PREPARE_SPEC, "shots": 3},
    "labels": {"team": "support"},
    "budget": {"amount": "20.00", "currency": "USD"},
}
JOB: Example = {
    "object": "job",
    "id": JOB_ID,
    "project": f"proj_{_BODY}",
    "kind": "prepare",
    "state": "running",
    "reason": None,
    "resume_at": None,
    "spec": PREPARE_SPEC,
    "outputs": {"dataset": DATASET_ID},
    "progress": {"done": 1200, "total": 3000, "unit": "items", "stage": "store"},
    "cost": {
        "requests": 0,
        "prompt_tokens": 0,
        "output_tokens": 0,
        "thinking_tokens": 0,
        "cached_tokens": 0,
        "training_tokens": 0,
        "hedged": 0,
        "currency": "USD",
        "estimated": None,
        "reserved": None,
        "actual": "0.00",
        "known": "0.00",
        "uncounted": "0.00",
        "unpriced": [],
        "synthetic": False,
    },
    "budget": None,
    "error": None,
    "labels": {"team": "support"},
    "attempt": 1,
    "version": 3,
    "parent": None,
    "created_at": CREATED,
    "started_at": "2026-11-21T08:00:01Z",
    "updated_at": "2026-11-21T08:00:05Z",
    "finished_at": None,
    "links": {
        "self": f"/v1/jobs/{JOB_ID}",
        "events": f"/v1/events?job={JOB_ID}",
        "cancel": f"/v1/jobs/{JOB_ID}/cancel",
        "stream": f"/v1/events/stream?job={JOB_ID}",
    },
}
CANCELLING_JOB: Example = JOB | {"state": "cancelling", "version": 4}
PLAN: Example = {
    "object": "plan",
    "kind": "experiment",
    "would_create": [
        {"kind": "experiment", "label": "experiment"},
        {"kind": "prepare", "label": "dataset"},
        {"kind": "evaluate", "label": "zero-shot"},
        {"kind": "tune", "label": "tuned@50"},
        {"kind": "evaluate", "label": "tuned@50"},
    ],
    "estimate": {
        "requests": 400,
        "prompt_tokens": 43600,
        "output_tokens": 10200,
        "training_tokens": 21800,
    },
    "cost": {"amount": "0.14758", "low": "0.12", "high": "0.17516", "currency": "USD"},
    "hours": {"low": 0.33, "high": 1.27},
    "variants": [],
    "known": "0.14758",
    "unpriced": [],
    "synthetic": False,
    "warnings": [],
    "hash": "1f0c3a9be27d84610c5e7f2a9d3b48165d2e9c7a0b1f4836",
}
FILE: Example = {
    "object": "file",
    "id": FILE_ID,
    "name": "reviews.csv",
    "format": "csv",
    "size_bytes": 48211,
    "sha256": _SHA256,
    "created_at": CREATED,
}
_STORED: Example = {
    "key": f"datasets/{_SHA256}.jsonl",
    "uri": f"gs://my-bucket/datasets/{_SHA256}.jsonl",
    "sha256": _SHA256,
    "rows": 50,
}
DATASET: Example = {
    "object": "dataset",
    "id": DATASET_ID,
    "job": JOB_ID,
    "state": "ready",
    "preset": "pii",
    "instruction": "Replace personal data with labels.",
    "metrics": ["sacrebleu", "exact_match"],
    "splits": {"test": {"rows": 200, "groups": 41, "file": None}},
    "training_files": {"50": _STORED},
    "fingerprint": _SHA256,
    "report": None,
    "schema_version": 1,
    "created_at": CREATED,
    "ready_at": READY,
    "links": {
        "self": f"/v1/datasets/{DATASET_ID}",
        "rows": f"/v1/datasets/{DATASET_ID}/rows",
        "report": f"/v1/datasets/{DATASET_ID}/report",
        "content": f"/v1/datasets/{DATASET_ID}/content",
    },
}
DATASET_ROW: Example = {
    "object": "dataset_row",
    "id": "ex_5f2d81",
    "split": "test",
    "position": 0,
    "text": "Call Ada Lovelace.",
    "target": "Call [NAME].",
    "references": ["Call [NAME]."],
    "group": "call-name",
    "label": "",
    "row": 17,
}
MODEL: Example = {
    "object": "model",
    "id": MODEL_ID,
    "job": JOB_ID,
    "state": "ready",
    "base_model": "gemini-3.1-flash-lite",
    "provider": {
        "name": "vertex",
        "resource": "projects/123/locations/us-central1/tuningJobs/456",
        "endpoint": "projects/123/locations/us/endpoints/789",
        "location": "us",
    },
    "dataset": DATASET_ID,
    "train_size": 200,
    "method": "supervised",
    "continued_from": None,
    "hyperparameters": {"epochs": 4},
    "checkpoints": [],
    "training": {},
    "reused_from": None,
    "synthetic": False,
    "created_at": CREATED,
    "ready_at": READY,
}
TRAINING_CURVES: Example = {
    "object": "training_curves",
    "model": MODEL_ID,
    "synthetic": False,
    "complete": True,
    "series": {
        "train_loss": [{"step": 50, "value": 1.31}, {"step": 100, "value": 0.62}],
        "validation_loss": [{"step": 50, "value": 1.4}, {"step": 100, "value": 0.91}],
    },
}
_SCORE: Example = {
    "metric": "exact_match",
    "value": 0.81,
    "low": 0.75,
    "high": 0.86,
    "n": 200,
    "rows": 200,
    "coverage": 1.0,
    "worst": 0.81,
    "best": 0.81,
    "method": "bootstrap",
    "groups": 41,
}
DATASET_REPORT: Example = {
    "source_rows": 3000,
    "kept": 2940,
    "duplicates": 60,
    "dropped": {"duplicate": {"rows": 60, "first_rows": [17, 92]}},
    "groups": {"count": 2940, "largest": 1},
    "lengths": {"text": {"p50": 84, "p95": 160, "p99": 210, "max": 260}},
    "labels": {},
    "pii_rows": {},
    "warnings": [],
}
EVALUATION: Example = {
    "object": "evaluation",
    "id": EVALUATION_ID,
    "job": JOB_ID,
    "state": "ready",
    "dataset": DATASET_ID,
    "variant": "tuned",
    "model": MODEL_ID,
    "base_model": "gemini-3.1-flash-lite",
    "shots": 0,
    "samples": 1,
    "split": "test",
    "lane": "online",
    "lane_reason": "the job asks for it",
    "rows": 200,
    "outcomes": {"ok": 200},
    "metrics": [_SCORE],
    "usage": {"requests": 180, "cached": 20, "prompt_tokens": 19620, "output_tokens": 4590},
    "synthetic": False,
    "created_at": CREATED,
    "ready_at": READY,
    "links": {
        "self": f"/v1/evaluations/{EVALUATION_ID}",
        "rows": f"/v1/evaluations/{EVALUATION_ID}/rows",
        "content": f"/v1/evaluations/{EVALUATION_ID}/content",
    },
}
_POINT: Example = {
    "name": "tuned@200",
    "kind": "tuned",
    "train_size": 200,
    "value": 0.81,
    "low": 0.75,
    "high": 0.86,
    "coverage": 1.0,
    "n": 200,
    "worst": 0.81,
    "best": 0.81,
}
_CURVE: Example = {
    "metric": "exact_match",
    "verdict": "too few sizes",
    "points": [_POINT],
    "baselines": [],
    "fit": None,
    "decision": {
        "worth": "unknown",
        "recommended_size": 200,
        "best_size": 200,
        "best_prompt": None,
        "beats_prompt_from": None,
        "rows_needed": None,
    },
    "comparisons": [],
}
EXPERIMENT: Example = {
    "object": "experiment",
    "id": EXPERIMENT_ID,
    "name": "Masking personal data in tickets",
    "job": JOB_ID,
    "state": "ready",
    "dataset": DATASET_ID,
    "base_model": "gemini-3.1-flash-lite",
    "metric": "exact_match",
    "answer": "With 200 examples tuning beats prompting; more data still helps.",
    "verdict": "too few sizes",
    "synthetic": False,
    "variants": [
        {
            "name": "tuned@200",
            "kind": "tuned",
            "train_size": 200,
            "shots": 0,
            "state": "ready",
            "metric": "exact_match",
            "score": 0.81,
            "low": 0.75,
            "high": 0.86,
            "coverage": 1.0,
            "test_rows": 200,
            "groups": 41,
            "model": MODEL_ID,
            "evaluation": EVALUATION_ID,
            "error": None,
        }
    ],
    "curve": _CURVE,
    "files": ["plots/curve.svg", "plots/curve.png", "tables/variants.csv"],
    "created_at": CREATED,
    "ready_at": READY,
    "links": {
        "self": f"/v1/experiments/{EXPERIMENT_ID}",
        "report": f"/v1/experiments/{EXPERIMENT_ID}/content?format=html",
        "content": f"/v1/experiments/{EXPERIMENT_ID}/content",
    },
}
