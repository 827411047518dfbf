"""A bundle of a real experiment: every number recomputed from its rows, every change found."""

import contextlib
import csv
import hashlib
import io
import json
import sqlite3
import warnings
import zipfile
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from service.errors import Invalid
from service.evaluation.scoring.row_table import table_schema
from service.experiments.analysis import STATISTICS_VERSION
from service.experiments.verification import Verdict, verify
from service.experiments.verification import main as print_verdict
from service.projects.operations import create_key
from service.projects.schemas import Scope
from tests.api.server import serve
from tests.support.stack import Stack
from tunecurve.cli import run
from tunecurve.client import Client
from tunecurve.errors import ExitCode

pytestmark = pytest.mark.journey

DIGEST_LENGTH = 64
STORED = Path(__file__).parent / "stored"
QUERIES = Path(__file__).parents[2] / "examples" / "queries"


@pytest.fixture(scope="module")
def bundle(running_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a small experiment, written by the command."""
    stack = running_stack
    prepare = {
        "preset": "pii",
        "source": {"type": "synthetic", "rows": 300, "seed": 3},
        "train_sizes": [10, 20, 40],
        "test_size": 30,
    }
    spec = {
        "name": "Tickets without names",
        "prepare": prepare,
        "shots": 2,
        "label_price": "0.05",
        "tolerance": 1.5,
        "label_errors": {"rows": 25},
    }
    job = stack.succeeded(stack.submit("experiment", spec).id)
    file = tmp_path_factory.mktemp("bundle") / "experiment.zip"
    sessions = stack.services.sessions
    key = create_key(stack.project_id, name="bundle", scopes=[Scope.READ], sessions=sessions)
    with serve(stack.services.settings) as api:
        command = ["bundle", job.outputs["experiment"], "--out", str(file)]
        access = ["--url", api.url, "--key", key.secret]
        assert run([*command, *access]) == ExitCode.OK
        saved = ["report", job.outputs["experiment"], "--save", str(file.parent / "report")]
        assert run([*saved, *access]) == ExitCode.OK
        shown = ["report", job.outputs["experiment"], "--out", str(file.parent / "revealed.html")]
        assert run([*shown, "--reveal", *access]) == ExitCode.OK
        with Client(api.url, key.secret) as client:
            suspects = client.get("experiments", f"{job.outputs['experiment']}/label_errors")
            rows = file.parent / "rows"
            rows.mkdir()
            for each in client.get("experiments", job.outputs["experiment"])["variants"]:
                to = rows / f"{each['evaluation']}.parquet"
                client.content("evaluations", each["evaluation"], content_format="parquet", to=to)
        exported = ["export", job.outputs["experiment"], "--mlflow", str(file.parent / "mlflow")]
        with warnings.catch_warnings(action="ignore"):  # of MLflow's own tables
            assert run([*exported, *access]) == ExitCode.OK
            break_off(file.parent / "mlflow")
            assert run([*exported, *access]) == ExitCode.OK
    (file.parent / "label_errors.json").write_text(json.dumps(suspects))
    return file


def break_off(folder: Path) -> None:
    """Leave an export as a break leaves it: one run half-written, another not begun."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.execute("UPDATE runs SET status = 'RUNNING' WHERE name = 'zero-shot'")
        database.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'answer'")


def rewritten(bundle: Path, name: str, change: Callable[[Any], None]) -> bytes:
    """Return the bundle with a changed file and a digest that is right again."""
    target = io.BytesIO()
    with zipfile.ZipFile(bundle) as source, zipfile.ZipFile(target, "w") as made:
        for each in source.namelist():
            content = source.read(each)
            if each.endswith(name):
                data = json.loads(content)
                change(data)
                content = json.dumps(data).encode()
            made.writestr(each, content)
        made.comment = b"0" * DIGEST_LENGTH
    body = target.getvalue()[:-DIGEST_LENGTH]
    return body + hashlib.sha256(body).hexdigest().encode()


def first_rows(bundle: Path) -> str:
    with zipfile.ZipFile(bundle) as archive:
        return next(name for name in archive.namelist() if name.endswith(".rows.json"))


def test_every_number_of_a_bundle_follows_from_its_rows(
    bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert verify(bundle.read_bytes()).verdict is Verdict.VERIFIED
    assert run(["verify", str(bundle)]) == ExitCode.OK
    assert "verified: every number follows from the rows" in capfd.readouterr().out


def test_the_report_is_saved_with_every_plot_and_table(bundle: Path) -> None:
    folder = bundle.parent / "report"
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files >= {
        "report.html",
        *(f"plots/{name}.{kind}" for name in ("curve", "front") for kind in ("svg", "png")),
        *(f"tables/{name}.csv" for name in ("variants", "comparisons", "worst")),
    }
    assert (folder / "plots/curve.png").read_bytes().startswith(b"\x89PNG")
    variants = list(csv.DictReader((folder / "tables/variants.csv").read_text().splitlines()))
    reported = json.loads(zipfile.ZipFile(bundle).read("experiment.json"))
    assert reported["name"] == "Tickets without names"
    assert [row["name"] for row in variants] == [each["name"] for each in reported["variants"]]
    assert [float(row["value"]) for row in variants] == [
        pytest.approx(each["score"]) for each in reported["variants"]
    ]
    assert all(float(row["latency_ms"]) >= 0 for row in variants)
    assert [row["epochs"] != "" for row in variants] == [False, False, True, True, True]


def test_smaller_models_are_asked_only_what_they_have_not_seen(
    bundle: Path, running_stack: Stack
) -> None:
    """Of 40 rows the last 25: all are unseen by the first 10, 20 by the first 20."""
    reported = json.loads((bundle.parent / "label_errors.json").read_text())
    job = json.loads(zipfile.ZipFile(bundle).read("experiment.json"))["job"]
    checks = [each for each in running_stack.children(job) if each.spec.get("split") == "train"]
    assert [(each.spec["first_row"], each.spec["last_row"]) for each in checks] == [
        (15, 40),
        (20, 40),
    ]
    assert (reported["checked"], reported["models"]) == (25, ["tuned@10", "tuned@20"])
    evidence = [each["evidence"] for each in reported["data"]]
    assert evidence == sorted(evidence, reverse=True)
    assert all(each["label"] != each["suggested"] for each in reported["data"])


@pytest.mark.filterwarnings("ignore")  # of MLflow's own tables
def test_mlflow_reads_back_what_an_export_wrote_and_another_one_completed_after_a_break(
    bundle: Path,
) -> None:
    from mlflow.tracking import MlflowClient  # seconds to import

    reported = json.loads(zipfile.ZipFile(bundle).read("experiment.json"))
    client = MlflowClient(tracking_uri=f"sqlite:///{bundle.parent / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(f"Tickets without names {reported['id']}")
    assert experiment is not None
    assert experiment.tags["tunecurve.answer"] == reported["answer"]
    assert experiment.tags["tunecurve.synthetic"] == "true"
    found = client.search_runs([experiment.experiment_id])
    runs = {run.info.run_name: run for run in found}
    assert len(found) == len(runs)
    assert {run.info.status for run in found} == {"FINISHED"}
    assert set(runs) == {"answer", *(each["name"] for each in reported["variants"])}
    for variant in reported["variants"]:
        data = runs[variant["name"]].data
        assert data.metrics["sacrebleu"] == data.metrics["score"] == variant["score"]
        assert data.params["evaluation"] == variant["evaluation"]
    files = {each.path for each in client.list_artifacts(runs["answer"].info.run_id)}
    assert files == {"report.html", "plots", "tables"}


def test_duckdb_reads_the_rows_by_the_example(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle.parent)
    found = duckdb.execute((QUERIES / "duckdb.sql").read_text()).fetchall()
    assert sum(row[2] for row in found) == 5 * 30
    assert {row[0] for row in found} == {"zero_shot", "few_shot", "tuned"}


def test_the_example_for_bigquery_is_its_sql_and_names_columns_that_there_are() -> None:
    """It is not run: BigQuery has no emulator here."""
    parsed = sqlglot.parse_one((QUERIES / "bigquery.sql").read_text(), dialect="bigquery")
    columns = {each.name for each in parsed.find_all(sqlglot.exp.Column)}
    assert columns <= {*table_schema(()).columns}


def test_texts_of_rows_are_masked_unless_they_are_revealed(bundle: Path) -> None:
    masked = (bundle.parent / "report" / "report.html").read_text()
    revealed = (bundle.parent / "revealed.html").read_text()
    assert "<h1>Tickets without names</h1>" in masked
    with zipfile.ZipFile(bundle) as archive:
        inputs = {row["input"] for row in json.loads(archive.read(first_rows(bundle)))}
    shown = [text for text in inputs if escape(text, quote=True) in revealed]
    assert shown, "the first test row is shown as it is"
    assert not [text for text in inputs if escape(text, quote=True) in masked]


@pytest.fixture
def damaged(bundle: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The bundle with a flipped byte at the place that is the parameter."""
    content = bytearray(bundle.read_bytes())
    content[request.param] ^= 1
    file = tmp_path / "damaged.zip"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("damaged", [0, 1000, -1000, -70, -1], indirect=True)
def test_one_flipped_byte_is_found(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Invalid, match="the bundle is damaged"):
        verify(damaged.read_bytes())
    assert print_verdict(str(damaged)) == ExitCode.JOB_FAILED
    assert "NOT VERIFIED" in capsys.readouterr().out


@pytest.mark.parametrize("damaged", [1000], indirect=True)
def test_the_command_reports_a_damaged_bundle(
    damaged: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", str(damaged)]) == ExitCode.JOB_FAILED
    assert "NOT VERIFIED" in capfd.readouterr().out


def test_an_answer_that_was_changed_is_found_in_scores_and_conclusions(bundle: Path) -> None:
    def worsen(rows: list[dict[str, Any]]) -> None:
        rows[0]["answer"] = rows[0]["prediction"] = "nothing of it"

    found = verify(rewritten(bundle, ".rows.json", worsen)).differences
    assert any("sacrebleu value: the bundle says" in each for each in found)
    assert any(each.startswith("curve.comparisons") for each in found)


def test_a_conclusion_that_was_changed_is_found(bundle: Path) -> None:
    def brag(experiment: dict[str, Any]) -> None:
        experiment["answer"] = "Tune on 10 examples: 99.9."
        experiment["curve"]["decision"]["worth"] = "better than ever"

    found = verify(rewritten(bundle, "experiment.json", brag)).differences
    assert any(each.startswith("answer: the bundle says") for each in found)
    assert any(each.startswith("curve.decision.worth") for each in found)


@pytest.mark.parametrize("version", [None, STATISTICS_VERSION - 1])
def test_numbers_of_other_statistics_are_neither_verified_nor_called_changed(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], version: int | None
) -> None:
    assert print_verdict(str(of_other_statistics(bundle, tmp_path, version))) == ExitCode.CONFLICT
    printed = capsys.readouterr().out
    assert "made with other statistics" in printed
    assert f"here {STATISTICS_VERSION}" in printed
    assert "NOT VERIFIED" not in printed


def test_the_command_reports_a_bundle_of_other_statistics(bundle: Path, tmp_path: Path) -> None:
    earlier = of_other_statistics(bundle, tmp_path, STATISTICS_VERSION - 1)
    assert run(["verify", str(earlier)]) == ExitCode.CONFLICT


def of_other_statistics(bundle: Path, folder: Path, version: int | None) -> Path:
    """Return the bundle as another version of the statistics would have computed it."""

    def compute_otherwise(experiment: dict[str, Any]) -> None:
        experiment["curve"]["statistics_version"] = version
        experiment["curve"]["comparisons"][0]["p_value"] = 0.5

    file = folder / "earlier.zip"
    file.write_bytes(rewritten(bundle, "experiment.json", compute_otherwise))
    return file


def test_a_stored_bundle_is_verified_by_the_version_of_statistics_that_made_it() -> None:
    """Where it differs, raise STATISTICS_VERSION and store a bundle made anew."""
    found = verify((STORED / "bundle.zip").read_bytes())
    assert found.version == STATISTICS_VERSION
    assert found.differences == ()


def test_answers_after_reasons_are_verified_by_what_follows_their_mark() -> None:
    def reason(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["variant"] = "chain_of_thought"
            row["prediction"] = f"It names a person.\nAnswer: {row['prediction']}"

    file = STORED / "bundle.zip"
    found = verify(rewritten(file, first_rows(file), reason))
    assert found.differences == ()


def test_variants_on_other_test_rows_are_found(bundle: Path) -> None:
    def swap(rows: list[dict[str, Any]]) -> None:
        rows[0], rows[1] = rows[1], rows[0]

    found = verify(rewritten(bundle, first_rows(bundle), swap))
    assert found.verdict is Verdict.DIFFERS
    assert any("its test rows are not those of" in each for each in found.differences)


def test_what_is_no_bundle_is_refused() -> None:
    with pytest.raises(Invalid, match="the bundle is damaged"):
        verify(b"not a bundle")
