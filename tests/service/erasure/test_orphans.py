"""What has no entry is found by its labels and deleted; what others may own is left alone."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.catalogue.catalogue import Catalogue, Places, load_catalogue
from service.clock import utc_now
from service.database import Sessions, open_sessions
from service.erasure.orphans import CleanServices, delete_orphans, find_orphans
from service.ids import Prefix, is_older, new_id
from service.projects.audit import list_entries
from service.storage.local import LocalStore
from service.storage.ports import ObjectStore
from service.tuning.ports import Hyperparameters, TuningRequest
from service.tuning.providers.vertex import VertexTuning, open_vertex
from tests.emulator.examples import finish, labelled, upload
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.processes import inherited, run_process
from tests.support.runs import add_project

OLD = "0" * 26  # the body of an id that was made long ago


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with start_emulator(tuning_seconds=0) as started:
        yield started


@pytest.fixture
def vertex(emulator: EmulatorProcess) -> VertexTuning:
    emulator.reset()
    emulator.configure(tuning_seconds=0)
    return open_vertex(project="lab", location="us-central1", endpoint=emulator.url)


@pytest.fixture
def catalogue() -> Catalogue:
    return load_catalogue(places=Places("us-central1", emulated=True))


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return LocalStore(tmp_path / "objects")


def tuned(emulator: EmulatorProcess, vertex: VertexTuning, *, project: str) -> str:
    """Tune once for a project without any entry; return the label of the run."""
    run_id = new_id(Prefix.TUNING_RUN)
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name=f"{run_id}.jsonl")
    request = TuningRequest(
        run_id=run_id,
        project_id=project,
        base_model="gemini-3.1-flash-lite",
        training_uri=uri,
        validation_uri=None,
        display_name="an orphan",
        hyperparameters=Hyperparameters(epochs=1),
    )
    finish(emulator, vertex.submit(request))
    return run_id


def put(store: ObjectStore, key: str, folder: Path) -> None:
    path = folder / "object"
    path.write_bytes(b"some bytes")
    store.put_file(key, path, content_type="text/plain")


def test_orphans_of_ours_are_listed_and_deleted_and_others_stay(
    sessions: Sessions,
    emulator: EmulatorProcess,
    vertex: VertexTuning,
    catalogue: Catalogue,
    store: ObjectStore,
    tmp_path: Path,
) -> None:
    ours, theirs = add_project(sessions), f"{Prefix.PROJECT}_{OLD}"
    run_id = tuned(emulator, vertex, project=ours)
    tuned(emulator, vertex, project=theirs)  # of another installation on this Google project
    gone = f"projects/{ours}/datasets/{Prefix.DATASET}_{OLD}"
    old_file = f"projects/{ours}/files/{Prefix.FILE}_{OLD}"
    fresh = f"projects/{ours}/files/{new_id(Prefix.FILE)}"  # an upload under way
    foreign = f"projects/{theirs}/datasets/{Prefix.DATASET}_{OLD}/rows.jsonl"
    for key in (f"{gone}/rows.jsonl", old_file, fresh, foreign):
        put(store, key, tmp_path)
    services = CleanServices(sessions, lambda: [vertex], lambda _: vertex, lambda: store, catalogue)

    found = find_orphans(services)

    kinds = [each.kind for each in found.found]
    resources = [each for each in found.found if each.kind in {"endpoint", "model"}]
    assert set(kinds) == {"endpoint", "model", "object", "folder"}
    assert kinds.index("model") > kinds.index("endpoint")  # which serves it, so goes first
    assert {each.project for each in found.found} == {ours}
    assert all(run_id in each.reason for each in resources)
    assert [each.name for each in found.found if each not in resources] == [gone, old_file]
    assert found.others >= 3
    listed = vertex.made({"us"})

    assert delete_orphans(found.found, services) == []

    left = find_orphans(services)
    assert (left.found, left.others) == ((), found.others)
    assert {each.project_id for each in vertex.made({"us"})} == {theirs}
    assert len(vertex.made({"us"})) < len(listed)
    assert store.size(fresh) == store.size(foreign) == 10
    entries = list_entries(ours, after=None, limit=50, sessions=sessions)
    assert {entry.target for entry in entries if entry.action == "clean"} == {
        each.name for each in found.found
    }
    assert delete_orphans(found.found, services) == []  # a second time is fine


def test_the_command_lists_and_deletes_only_when_asked_to(
    migrated_sqlite: Path,
    emulator: EmulatorProcess,
    vertex: VertexTuning,
    tmp_path: Path,
) -> None:
    shutil.copy(migrated_sqlite, tmp_path / "tunecurve.db")
    sessions = open_sessions(f"sqlite:///{tmp_path / 'tunecurve.db'}")
    ours = add_project(sessions)
    sessions.close()
    tuned(emulator, vertex, project=ours)
    env = inherited() | {
        "TUNECURVE_DATABASE_URL": f"sqlite:///{tmp_path / 'tunecurve.db'}",
        "TUNECURVE_GOOGLE_CLOUD_PROJECT": "lab",
        "TUNECURVE_VERTEX_ENDPOINT": emulator.url,
    }

    def clean(*words: str) -> dict[str, Any]:
        arguments = ["clean", "--data-dir", str(tmp_path), "-o", "json", *words]
        done = run_process("tunecurve", arguments, env=env)
        assert done.returncode == 0, done.stderr
        reported: dict[str, Any] = json.loads(done.stdout)
        return reported

    looked = clean()
    assert vertex.made({"us"})
    assert (looked["deleted"], len(looked["found"])) == (False, 2)
    deleted = clean("--yes")
    assert (deleted["deleted"], deleted["found"], deleted["failed"]) == (True, looked["found"], [])
    assert not vertex.made({"us"})


def test_an_id_says_when_it_was_made() -> None:
    made = new_id(Prefix.DATASET)

    assert is_older(made, utc_now() + timedelta(seconds=10))
    assert not is_older(made, utc_now() - timedelta(hours=1))
