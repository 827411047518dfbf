"""Examples of what evaluations hold: rows, manifest, schema, confusion matrix."""

from api.examples import CREATED, DATASET_ID, EVALUATION_ID, MODEL_ID, READY, Example

EVALUATION_MANIFEST: Example = {
    "object": "evaluation_manifest",
    "id": EVALUATION_ID,
    "created_at": CREATED,
    "ready_at": READY,
    "dataset": DATASET_ID,
    "preset": "pii",
    "split": "test",
    "rows": 200,
    "variant": "tuned",
    "model": MODEL_ID,
    "base_model": "gemini-3.1-flash-lite",
    "metrics": [
        {
            "metric": "exact_match",
            "signature": "exact_match|version:3|answers:raw",
            "value": 81.0,
        }
    ],
    "confidence": [],
    "table_sha256": "5f2d81",
    "table_version": 4,
    "synthetic": False,
}
EVALUATION_SCHEMA: Example = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Row of an evaluation, version 4",
    "type": "object",
    "properties": {"position": {"type": "integer"}},
}
CONFUSION: Example = {
    "labels": ["positive", "negative"],
    "cells": [
        {"expected": "positive", "answered": "positive", "rows": 90},
        {"expected": "negative", "answered": "positive", "rows": 10},
    ],
    "by_label": [
        {
            "label": "positive",
            "expected": 90,
            "answered": 100,
            "right": 90,
            "precision": 90.0,
            "recall": 100.0,
            "f1": 94.7,
        }
    ],
}
EVALUATION_ROW: Example = {
    "object": "evaluation_row",
    "position": 0,
    "example_id": "ex_5f2d81",
    "outcome": "ok",
    "prediction": "Call [NAME].",
    "answer": "Call [NAME].",
    "correct": True,
    "scores": {"sacrebleu": 100.0, "exact_match": 100.0},
    "references": ["Call [NAME]."],
    "finish_reason": "STOP",
    "error": None,
    "samples": 1,
    "agreement": 1,
}
_ESTIMATE: Example = {"value": 0.71, "low": 0.6, "high": 0.82}
JUDGE: Example = {
    "score": "judge_score",
    "mode": "pointwise",
    "model": "gemini-3.5-flash",
    "family": "gemini",
    "same_family": True,
    "rubric": "The answer names the cause and one remedy, in at most 40 words.",
    "levels": 5,
    "against": None,
    "repeats": 2,
    "rows": 200,
    "unread": 0,
    "retest_kappa": 0.83,
    "retest_same": 0.86,
    "position_bias": {"value": 0.02, "low": -0.01, "high": 0.05},
    "length_correlation": {"value": 0.18, "low": 0.04, "high": 0.32},
    "calibration": {
        "rows": 80,
        "raters": 2,
        "kappa": _ESTIMATE,
        "same": 0.68,
        "rater_kappa": 0.78,
        "leniency": {"value": 4.1, "low": 0.9, "high": 7.3},
        "length_bias": {"value": 0.12, "low": -0.1, "high": 0.34},
        "corrected": {"value": 66.3, "low": 61.8, "high": 70.8},
        "caution": "",
    },
    "caution": "",
}
VERDICTS: Example = {
    "object": "list",
    "data": [
        {
            "object": "verdict",
            "example_id": "ex_5f2d81",
            "rater": "ann",
            "verdict": 4,
            "judge": 75.0,
            "created_at": CREATED,
        }
    ],
}
