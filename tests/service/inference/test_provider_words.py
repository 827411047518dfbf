"""What a provider's message may keep: its own names, never what it quotes of the user's rows."""

import pytest

from service.inference.batches.vertex_calls import words_without_quotes

MODEL = "projects/p/locations/us/publishers/google/models/nonesuch"


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ('Invalid value "Ann Smith, 5 Elm St" in the dataset', "Invalid value … in the dataset"),
        ("bad turn 'my number is 0151 23' here", "bad turn … here"),
        ("Row 3: my name is Ann Smith", "Row 3: …"),
        ('example 7: {"text": "Ann"}', "example 7: …"),
        ("the file holds `Ann Smith` and", "the file holds … and"),
        ('cut off in the middle: "Ann Smi', "cut off in the middle: …"),
        (f"Publisher Model `{MODEL}` was not found", f"Publisher Model `{MODEL}` was not found"),
        (
            "POST http://127.0.0.1:4711/v1/projects/p/tuningJobs?alt=json: no such model",
            "no such model",
        ),
        ("quota exceeded for tunings in us-central1", "quota exceeded for tunings in us-central1"),
    ],
)
def test_quotes_of_rows_are_left_out_and_names_of_resources_stay(message: str, kept: str) -> None:
    assert words_without_quotes(message) == kept
