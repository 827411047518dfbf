"""The example of a file's preview, as the contract shows it."""

from api.examples import FILE_ID, Example

FILE_PREVIEW: Example = {
    "object": "file_preview",
    "file": FILE_ID,
    "format": "csv",
    "size_bytes": 48211,
    "rows_read": 1000,
    "columns": [
        {"name": "text", "type": "text", "filled": 1000, "distinct": 998, "longest": 141},
        {"name": "sentiment", "type": "text", "filled": 1000, "distinct": 3, "longest": 8},
    ],
    "first_rows": [{"text": "x x the x", "sentiment": "positive"}],
    "faults": [],
    "assumed_encodings": [],
    "presets": [
        {
            "preset": "sentiment",
            "fits": True,
            "why": "1000 of the 1000 rows read can be used",
            "columns": {},
            "labels": [],
            "form": None,
        }
    ],
    "estimate": {
        "rows": 1000,
        "rows_exact": True,
        "tokens": 12052,
        "tokens_error": 0.35,
        "base_model": "gemini-3.1-flash-lite",
        "training_dollars": "0.02",
    },
    "links": {"self": f"/v1/files/{FILE_ID}/preview", "file": f"/v1/files/{FILE_ID}"},
}
