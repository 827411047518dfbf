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
