"""`tunecurve find-subject`: where a text about a person stands."""

import sys
from collections import Counter
from typing import Annotated

import typer

from tunecurve.commands.options import KeyOption, OutputOption, UrlOption, connect
from tunecurve.errors import UsageError
from tunecurve.output import Column, OutputFormat, print_message, print_rows

_PATIENCE_SECONDS = 900  # one object may be large
_PLACE = ("kind", "id", "project_id", "field")
_COLUMNS: dict[str, Column] = {
    "KIND": lambda place: place["kind"],
    "ID": lambda place: place["id"],
    "PROJECT": lambda place: place["project_id"],
    "WHERE": lambda place: place["field"],
    "COUNT": lambda place: place["count"],
}


def find_subject(
    text: Annotated[str, typer.Argument(help="What to find; - reads it from standard input.")],
    *,
    url: UrlOption = None,
    key: KeyOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List where a text stands: rows of the database and stored objects, of all projects.

    Needs an admin key of the project default. Case, Unicode form and white space do not matter.
    Read the text from standard input to keep it out of the shell's history.
    """
    sought = sys.stdin.read().strip() if text == "-" else text
    if not sought:
        raise UsageError("there is no text to find")
    counts: Counter[tuple[str, ...]] = Counter()
    rows = objects = 0
    unread: list[str] = []
    with connect(url, key, timeout_seconds=_PATIENCE_SECONDS) as client:
        for part in client.find_subject(sought):
            for place in part["places"]:
                counts[tuple(place[name] for name in _PLACE)] += place["count"]
            rows, objects = rows + part["rows"], objects + part["objects"]
            unread += part["unread"]
    places = [
        {**dict(zip(_PLACE, place, strict=True)), "count": count} for place, count in counts.items()
    ]
    print_rows(places, _COLUMNS, output=output)
    print_message(f"looked at {rows} rows of the database and {objects} objects")
    for each in unread:
        print_message(f"could not be read: {each}")
