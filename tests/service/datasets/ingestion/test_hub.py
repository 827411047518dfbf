"""Datasets of the hub: pinned to a commit, read as data, never run, never led inside."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.datasets.ingestion.staged_rows import StagedRows, stage_source, staged_rows
from service.datasets.sources.hub_client import HubClient
from service.datasets.sources.hub_files import select_files
from service.datasets.sources.registry import SOURCES
from service.datasets.sources.schemas import HubSource
from service.datasets.sources.source import SourceAccess
from service.errors import Invalid, NotFound, TunecurveError, Unavailable
from service.files.contents import FileLimits
from service.storage.local import LocalStore
from service.webhooks.addresses import url_rules
from tests.service.datasets.ingestion.files import as_csv, as_jsonl, as_parquet, staged
from tests.service.datasets.ingestion.hub import COMMIT, LoopbackHub, loopback_hub
from tests.support.project_access import PROJECT, sessions_of_open_project

ROWS = [{"text": f"text {number}", "label": "ab"[number % 2]} for number in range(300)]
CARD = b"""---
license: mit
configs:
- config_name: small
  data_files:
  - split: train
    path: data/small-*.csv
- config_name: full
  default: true
  data_files:
  - split: train
    path: [data/a.jsonl, data/b.parquet]
  - split: test
    path: data/held.csv
---
# Rows
"""


def source(**changes: Any) -> HubSource:
    given = {"type": "hub", "repo": "someone/rows", "revision": COMMIT} | changes
    return HubSource.model_validate(given)


def access_to(connection: HubClient, folder: Path) -> SourceAccess:
    sessions, limits = sessions_of_open_project(folder), FileLimits(1 << 24, 1 << 16)
    store = LocalStore(folder / "own")
    return SourceAccess(PROJECT, sessions, store, limits, "", hub=connection)


def loopback(hub: LoopbackHub, **changes: Any) -> HubClient:
    rules = url_rules(allow_networks=["127.0.0.0/8"])
    return replace(HubClient(endpoint=hub.url, rules=rules), **changes)


def read(hub: LoopbackHub, folder: Path, **changes: Any) -> StagedRows:
    access = access_to(loopback(hub), folder)
    return stage_source(source(**changes), access=access, folder=folder)


def test_rows_of_the_hub_have_the_hash_of_the_same_rows_in_a_file(tmp_path: Path) -> None:
    files = {
        "README.md": CARD,
        "data/a.jsonl": as_jsonl(ROWS[:100]),
        "data/b.parquet": as_parquet(ROWS[100:]),
        "data/held.csv": as_csv(ROWS[:5]),
        "data/small-1.csv": as_csv(ROWS[:7]),
        "load.py": b"raise SystemExit('never run')",
    }
    one_file = staged(as_csv(ROWS), "csv", tmp_path).sha256

    with loopback_hub(files) as hub:
        rows = read(hub, tmp_path)
        numbers = [row.number for row in staged_rows(rows)]
        held = read(hub, tmp_path, split="test").rows
        small = read(hub, tmp_path, config="small").rows
        chosen = read(hub, tmp_path, files=["data/held.csv"]).rows

    assert (rows.rows, rows.sha256) == (300, one_file)
    assert numbers == list(range(1, 301))
    assert (held, small, chosen) == (5, 7, 5)
    assert all(COMMIT in path for path in hub.asked)
    assert not any(path.endswith(".py") for path in hub.asked)
    assert not any("authorization" in map(str.lower, headers) for headers in hub.headers)


@pytest.mark.parametrize(
    ("names", "split", "chosen"),
    [
        (["train.jsonl", "test.jsonl"], "train", ["train.jsonl"]),
        (
            [
                "data/train-00000-of-00002.parquet",
                "data/train-00001-of-00002.parquet",
                "data/test-0.parquet",
            ],
            "train",
            ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"],
        ),
        (
            ["rows.csv.gz", "LICENSE", "dataset_infos.json", ".hidden/x.csv"],
            "train",
            ["rows.csv.gz"],
        ),
        (["rows.csv", "dev.csv"], "train", ["rows.csv"]),
        (["../../etc/rows.csv", "/rows.csv", "train.csv"], "train", ["train.csv"]),
    ],
)
def test_files_are_found_by_their_names(
    names: Sequence[str], split: str, chosen: Sequence[str]
) -> None:
    assert select_files(source(split=split), names, "", limit=9) == list(chosen)


@pytest.mark.parametrize(
    ("changes", "names", "card", "code"),
    [
        ({}, ["rows.py", "README.md"], "", "hub_wants_code"),
        ({}, ["rows.txt"], "", "hub_no_files"),
        ({"split": "test"}, ["rows.csv"], "", "hub_no_files"),
        ({"files": ["*.csv"]}, [f"{n}.csv" for n in range(20)], "", "too_many_files"),
        ({"config": "big"}, ["a.csv"], CARD.decode(), "unknown_config"),
        ({}, ["a.csv"], CARD.decode().replace("default: true", "note: x"), "config_required"),
        *(
            ({}, ["a.csv"], CARD.decode().replace("data/a.jsonl", path), "unsafe_path")
            for path in (
                "/etc/passwd",
                "../../other/secret.csv",
                "http://169.254.169.254/latest/meta-data",
                "file:///etc/passwd",
                "hf://datasets/other/private/x.csv",
                "data/../../x.csv",
            )
        ),
    ],
)
def test_datasets_that_cannot_be_read_safely_are_refused(
    changes: dict[str, Any], names: Sequence[str], card: str, code: str
) -> None:
    with pytest.raises(Invalid) as raised:
        select_files(source(**changes), names, card, limit=9)

    assert raised.value.code == code
    assert [fault.pointer.startswith("/spec/source/") for fault in raised.value.faults] == [True]


@pytest.mark.parametrize(
    "card", ["---\na: &x [1]\nb: *x\n---\n", "---\n- [\n---\n", "---\nconfigs: 5\n---\n", "no card"]
)
def test_a_card_that_says_nothing_is_passed_over(card: str) -> None:
    assert select_files(source(), ["train.csv"], card, limit=9) == ["train.csv"]


@pytest.mark.parametrize(
    "path", ["../x.csv", "/etc/passwd", "file:///x.csv", "http://127.0.0.1/x.csv", "a\\..\\b.csv"]
)
def test_paths_that_leave_the_dataset_are_refused_at_submission(path: str) -> None:
    nobody: Any = None

    with pytest.raises(Invalid) as raised:
        SOURCES["hub"].check(source(files=[path]), project_id="p", session=nobody)

    assert raised.value.code == "unsafe_path"


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": "main"},
        {"revision": COMMIT[:12]},
        {"repo": "../x"},
        {"repo": "a/b/c"},
        {"repo": "a/../../b"},
        {"repo": "https://10.0.0.1/x"},
        {"repo": "a?b"},
        {"trust_remote_code": True},
    ],
)
def test_a_source_is_a_name_and_a_whole_commit(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(**changes)


def test_a_file_elsewhere_is_followed_to_a_public_place_only(tmp_path: Path) -> None:
    files = {"train.csv": as_csv(ROWS)}
    with loopback_hub(files, redirects={"train.csv": "/elsewhere/train.csv"}) as hub:
        assert read(hub, tmp_path).rows == 300

    inside = [
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/x.csv",
        "https://[::1]/x.csv",
        "https://metadata.google.internal/x.csv",
        "file:///etc/passwd",
        "ftp://example.com/x.csv",
        "https://2130706433/x.csv",
    ]
    for address in inside:
        with loopback_hub(files, redirects={"train.csv": address}) as hub:
            with pytest.raises(Invalid) as raised:
                read(hub, tmp_path)
            assert raised.value.code in {"url_not_allowed", "invalid_url"}
            assert not (tmp_path / "staged.parquet").exists()


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1"])
def test_a_public_name_that_leads_inside_is_never_connected_to(
    address: str, tmp_path: Path
) -> None:
    asked: list[str] = []

    def resolver(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14", address]

    with loopback_hub({"train.csv": as_csv(ROWS)}) as hub:
        connection = HubClient(endpoint="https://hub.example.com", resolver=resolver)
        with pytest.raises(Invalid) as raised:
            stage_source(source(), access=access_to(connection, tmp_path), folder=tmp_path)

    assert raised.value.code == "url_not_allowed"
    assert asked == ["hub.example.com"]
    assert hub.asked == []


@pytest.mark.parametrize(
    ("files", "redirects", "error", "code"),
    [
        ({}, {}, Invalid, "hub_no_files"),
        ({"train.csv": b""}, {}, Invalid, "empty_file"),
        ({"train.csv": b"x"}, {"train.csv": "/nowhere"}, NotFound, "object_not_found"),
        (
            {"train.csv": b"x"},
            {"train.csv": "/datasets/someone/rows/resolve/" + COMMIT + "/train.csv"},
            Unavailable,
            "hub_unavailable",
        ),
    ],
)
def test_what_the_hub_cannot_give_is_said(
    files: Mapping[str, bytes],
    redirects: Mapping[str, str],
    error: type[TunecurveError],
    code: str,
    tmp_path: Path,
) -> None:
    with loopback_hub(files, redirects=redirects) as hub, pytest.raises(error) as raised:
        read(hub, tmp_path)

    assert raised.value.code == code


def test_an_unknown_dataset_another_commit_and_a_dead_hub_are_said(tmp_path: Path) -> None:
    with loopback_hub({"train.csv": as_csv(ROWS)}) as hub:
        with pytest.raises(NotFound) as missing:
            read(hub, tmp_path, repo="someone/else")
        hub.commit = COMMIT[::-1]
        with pytest.raises(Unavailable):
            read(hub, tmp_path)
    with pytest.raises(Unavailable) as dead:
        read(hub, tmp_path)

    assert missing.value.code == "input_not_found"
    assert [fault.pointer for fault in missing.value.faults] == ["/spec/source/repo"]
    assert dead.value.retryable


INFO = """---
dataset_info:
- config_name: small
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': calm
          '1': gale
- config_name: full
  features:
  - name: label
    dtype: int64
configs:
- config_name: small
  data_files: small.jsonl
- config_name: full
  data_files: full.csv
---
"""


def test_class_numbers_get_the_names_that_the_card_gives_for_the_configuration(
    tmp_path: Path,
) -> None:
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": 0}, {"text": "c", "label": -1}]
    files = {"README.md": INFO.encode(), "small.jsonl": as_jsonl(rows), "full.csv": as_csv(rows)}

    with loopback_hub(files) as hub:
        labels = {
            config: [row.fields["label"] for row in staged_rows(read(hub, tmp_path, config=config))]
            for config in ("small", "full")
        }

    assert labels == {"small": ["gale", "calm", "-1"], "full": ["1", "0", "-1"]}
