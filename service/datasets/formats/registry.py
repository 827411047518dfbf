"""The formats we can read, by the names files carry."""

from service.datasets.formats.csv import read_csv
from service.datasets.formats.jsonl import read_jsonl
from service.datasets.formats.rows import Reader
from service.datasets.formats.squad_json import read_squad_json
from service.registry import Registry

READERS: Registry[Reader] = Registry(
    "format", {"jsonl": read_jsonl, "csv": read_csv, "json": read_squad_json}
)
