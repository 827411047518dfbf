"""Batch prediction through Google's clients: a file of requests in, a file of answers out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.api_core.exceptions import BadRequest, NotFound

from tests.emulator.clients import genai_client, in_event_loop, rest_client
from tests.emulator.examples import create, finish, labelled, order, upload
from tests.emulator.recordings import same_shape
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.eventually import eventually
from tests.support.shared_data import shared_data

PARENT = "projects/lab/locations/us-central1"
FLASH = "publishers/google/models/gemini-2.5-flash"
PROMPT = "Classify the text as positive or negative.\n\nText: a wonderful and happy day"
ENDED = {"JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"}


@pytest.fixture(scope="module")
def genai(emulator: EmulatorProcess) -> Iterator[Any]:
    client = genai_client(emulator, location="us-central1")
    yield client
    client.close()


@pytest.fixture(scope="module")
def jobs(emulator: EmulatorProcess) -> Iterator[Any]:
    from google.cloud.aiplatform_v1 import JobServiceClient

    client = rest_client(emulator, JobServiceClient)
    yield client
    client.transport.close()


@pytest.fixture(autouse=True)
def _defaults(emulator: EmulatorProcess) -> Iterator[None]:
    yield
    emulator.configure(batch_seconds=0, batch_error_rate=0)


def line(text: str = PROMPT, **extras: Any) -> str:
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return json.dumps({"request": {"contents": contents}} | extras)


def ended(genai: Any, name: str) -> Any:
    def look() -> Any:
        job = genai.batches.get(name=name)
        return job if job.state.name in ENDED else None

    return eventually(look, what=f"{name} did not end")


def run(genai: Any, uri: str, *, model: str = "gemini-2.5-flash") -> Any:
    config = {"display_name": "rows", "dest": "gs://data/answers"}
    return ended(genai, genai.batches.create(model=model, src=uri, config=config).name)


def read_rows(storage: Any, job: Any) -> list[dict[str, Any]]:
    directory = job.output_info.gcs_output_directory
    name = f"{directory.removeprefix('gs://data/')}/predictions.jsonl"
    text = storage.bucket("data").blob(name).download_as_text()
    return [json.loads(each) for each in text.splitlines()]


def test_every_row_is_answered_with_what_it_brought(
    emulator: EmulatorProcess, genai: Any, storage: Any
) -> None:
    lines = [line(id=1, kind="a"), "", line(PROMPT.replace("happy", "sorry"), id=2, nested={})]
    job = run(genai, upload(emulator, "\n".join(lines), name="requests.jsonl"))
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    assert job.output_info.gcs_output_directory.startswith("gs://data/answers/prediction-model-")
    assert job.completion_stats.successful_count == 2
    assert job.create_time <= job.start_time <= job.end_time
    rows = read_rows(storage, job)
    assert [(row["id"], row.get("kind"), row["status"]) for row in rows] == [
        (1, "a", ""),
        (2, None, ""),
    ]
    assert "nested" not in rows[1]
    assert rows[0]["request"] == json.loads(line())["request"]
    answer = rows[0]["response"]["candidates"][0]["content"]["parts"][0]["text"]
    assert answer == genai.models.generate_content(model="gemini-2.5-flash", contents=PROMPT).text


def test_a_row_has_the_keys_and_types_of_a_recorded_one(
    emulator: EmulatorProcess, genai: Any, storage: Any
) -> None:
    file = shared_data("gemini/vertex_batch_prediction_output.jsonl")
    recorded = json.loads(file.read_text(encoding="utf-8").splitlines()[0])
    job = run(genai, upload(emulator, line(), name="one.jsonl"))
    (ours,) = read_rows(storage, job)
    assert ours.keys() == recorded.keys()
    assert len(ours["processed_time"]) == len(recorded["processed_time"])
    assert ours["response"]["modelVersion"] == "gemini-2.5-flash@default"
    for ours_part, recorded_part in (
        (ours["response"], recorded["response"]),
        (ours["response"]["usageMetadata"], recorded["response"]["usageMetadata"]),
    ):
        assert recorded_part.keys() <= ours_part.keys()
    ours_candidate, theirs = (each["response"]["candidates"][0] for each in (ours, recorded))
    assert theirs.keys() - {"avgLogprobs"} <= ours_candidate.keys()
    assert same_shape(ours_candidate["content"], theirs["content"])


def test_a_bad_row_fails_alone_and_says_why(
    emulator: EmulatorProcess, genai: Any, storage: Any
) -> None:
    bad = json.dumps({"request": {"prompt": "x"}, "id": 1})
    lines = [bad, "no JSON", json.dumps({"id": 3}), line(id=4)]
    job = run(genai, upload(emulator, "\n".join(lines), name="mixed.jsonl"))
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    stats = job.completion_stats
    assert (stats.successful_count, stats.failed_count) == (1, 3)
    rows = read_rows(storage, job)
    assert 'Unknown name \\"prompt\\"' in rows[0]["status"]
    assert [row.get("id") for row in rows] == [1, None, 3, 4]
    assert [bool(row["status"]) for row in rows] == [True, True, True, False]
    assert all(row["response"] == {} for row in rows[:3])


def test_unlucky_rows_fail_alone_and_the_same_ones_every_time(
    emulator: EmulatorProcess, genai: Any, storage: Any
) -> None:
    emulator.configure(batch_error_rate=0.3)
    lines = [line(f"{PROMPT} {number}", id=number) for number in range(40)]
    uri = upload(emulator, "\n".join(lines), name="unlucky.jsonl")
    failed = [
        {row["id"] for row in read_rows(storage, run(genai, uri)) if "503" in row["status"]}
        for _ in range(2)
    ]
    assert failed[0] == failed[1]
    assert 0 < len(failed[0]) < len(lines) / 2


@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
def test_the_asynchronous_client_runs_a_job(emulator: EmulatorProcess, genai: Any) -> None:
    uri = upload(emulator, line(), name="aio.jsonl")

    async def create_and_get() -> str:
        client = genai_client(emulator, location="us-central1", api_version="v1beta1")
        try:
            job = await client.aio.batches.create(
                model="gemini-2.5-flash", src=uri, config={"dest": "gs://data/aio"}
            )
            found = await client.aio.batches.get(name=job.name)
            return str(found.name)
        finally:
            await client.aio.aclose()
            client.close()

    name = in_event_loop(create_and_get())
    assert ended(genai, name).state.name == "JOB_STATE_SUCCEEDED"


def test_a_running_job_is_cancelled_and_keeps_what_was_answered(
    emulator: EmulatorProcess, genai: Any, storage: Any
) -> None:
    emulator.configure(batch_seconds=600)
    uri = upload(emulator, line(), name="slow.jsonl")
    config = {"display_name": "slow", "dest": "gs://data/slow"}
    job = genai.batches.create(model="gemini-2.5-flash", src=uri, config=config)
    assert job.state.name == "JOB_STATE_PENDING"
    eventually(lambda: genai.batches.get(name=job.name).state.name == "JOB_STATE_RUNNING")
    eventually(lambda: _summary(emulator, job.name)["successful"] == 1)
    genai.batches.cancel(name=job.name)
    done = ended(genai, job.name)
    assert (done.state.name, done.error.code) == ("JOB_STATE_CANCELLED", 1)
    assert len(read_rows(storage, done)) == 1
    genai.batches.cancel(name=job.name)


def _summary(emulator: EmulatorProcess, name: str) -> dict[str, Any]:
    return next(batch for batch in emulator.ledger()["batches"] if batch["name"] == name)


def test_lists_are_filtered_and_paged(emulator: EmulatorProcess, genai: Any, jobs: Any) -> None:
    from google.cloud import aiplatform_v1 as v1

    uri = upload(emulator, line(), name="listed.jsonl")
    names = []
    for number in range(3):
        config = {"display_name": f"listed-{number}", "dest": "gs://data/listed"}
        names.append(genai.batches.create(model="gemini-2.5-flash", src=uri, config=config).name)
    listed = [job.name for job in genai.batches.list(config={"page_size": 1})]
    assert listed[:3] == names[::-1]
    request = v1.ListBatchPredictionJobsRequest(parent=PARENT, filter='display_name="listed-1"')
    assert [job.name for job in jobs.list_batch_prediction_jobs(request=request, timeout=300)] == [
        names[1]
    ]
    ended(genai, names[0])
    request = v1.ListBatchPredictionJobsRequest(
        parent=PARENT, filter='state="JOB_STATE_SUCCEEDED" AND display_name="listed-0"'
    )
    assert len(list(jobs.list_batch_prediction_jobs(request=request, timeout=300))) == 1


def test_the_job_client_creates_gets_and_deletes(emulator: EmulatorProcess, jobs: Any) -> None:
    from google.cloud import aiplatform_v1 as v1

    uri = upload(emulator, line(), name="gapic.jsonl")
    job = v1.BatchPredictionJob(
        display_name="gapic",
        model=FLASH,
        input_config={"instances_format": "jsonl", "gcs_source": {"uris": [uri]}},
        output_config={
            "predictions_format": "jsonl",
            "gcs_destination": {"output_uri_prefix": "gs://data/gapic"},
        },
    )
    made = jobs.create_batch_prediction_job(parent=PARENT, batch_prediction_job=job, timeout=300)
    done = eventually(
        lambda: _succeeded(jobs.get_batch_prediction_job(name=made.name, timeout=300))
    )
    assert done.completion_stats.successful_count == 1
    jobs.cancel_batch_prediction_job(name=made.name, timeout=300)
    jobs.delete_batch_prediction_job(name=made.name, timeout=300).result(timeout=300)
    with pytest.raises(NotFound):
        jobs.get_batch_prediction_job(name=made.name, timeout=300)


def _succeeded(job: Any) -> Any:
    return job if job.state.name == "JOB_STATE_SUCCEEDED" else None


def test_tuned_models_have_batches_but_for_gemini_3(
    emulator: EmulatorProcess, genai: Any, storage: Any
) -> None:
    uri = upload(emulator, labelled(good="GOOD", bad="BAD"), name="tune.jsonl")
    prompt = "note 3: a dreadful and sorry day"
    rows = upload(emulator, line(prompt), name="tuned-rows.jsonl")
    tuned = finish(emulator, create(emulator, order(uri))["name"])["tunedModel"]
    for name in (tuned["endpoint"], tuned["model"]):
        (row,) = read_rows(storage, run(genai, rows, model=name))
        assert row["response"]["candidates"][0]["content"]["parts"] == [{"text": "BAD"}]
    newer = finish(emulator, create(emulator, order(uri, model="gemini-3.5-flash"))["name"])
    endpoint = newer["tunedModel"]["endpoint"]
    for location in ("us", "us-central1"):
        response = post(emulator, body(rows, model=endpoint), location=location)
        assert response.status_code == 400
        assert "not supported" in response.json()["error"]["message"]


def body(uri: str, *, model: str = FLASH) -> dict[str, Any]:
    return {
        "displayName": "raw",
        "model": model,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [uri]}},
        "outputConfig": {
            "predictionsFormat": "jsonl",
            "gcsDestination": {"outputUriPrefix": "gs://data/raw"},
        },
    }


def post(
    emulator: EmulatorProcess, document: dict[str, Any], *, location: str = "us-central1"
) -> httpx2.Response:
    path = f"/v1/projects/lab/locations/{location}/batchPredictionJobs"
    return plain_http.post(f"{emulator.url}{path}", json=document, timeout=300)


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"displayName": ""}, 400, "display_name is required"),
        ({"model": "publishers/google/models/palm-2"}, 404, "palm-2"),
        ({"model": f"{PARENT}/models/1"}, 404, "is not found"),
        ({"inputConfig": {"instancesFormat": "csv"}}, 400, "instances_format"),
        ({"inputConfig": {"bigquerySource": {"inputUri": "bq://x"}}}, 501, "Cloud Storage only"),
        ({"outputConfig": {}}, 400, "output_uri_prefix must be"),
        ({"labels": 1}, 400, "labels"),
        ({"rows": 1}, 400, "Unknown name"),
    ],
)
def test_what_can_be_seen_at_creation_is_refused(
    emulator: EmulatorProcess, change: dict[str, Any], code: int, message: str
) -> None:
    response = post(emulator, body("gs://data/x.jsonl") | change)
    assert response.status_code == code
    assert message in response.json()["error"]["message"]


@pytest.mark.parametrize(("content", "code"), [(None, 5), ("\n", 3)])
def test_a_missing_or_empty_file_fails_the_job(
    emulator: EmulatorProcess, genai: Any, content: str | None, code: int
) -> None:
    uri = upload(emulator, content, name="empty.jsonl") if content else "gs://data/missing.jsonl"
    job = run(genai, uri)
    assert (job.state.name, job.error.code) == ("JOB_STATE_FAILED", code)


def test_an_unfinished_job_is_taken_up_after_a_kill(tmp_path: Path) -> None:
    with start_emulator(tmp_path, batch_seconds=600) as emulator:
        name = post(emulator, body(upload(emulator, line(id=7), name="kept.jsonl"))).json()["name"]
        eventually(lambda: _summary(emulator, name)["state"] == "JOB_STATE_RUNNING")
        emulator.kill()
    with start_emulator(tmp_path) as emulator:
        eventually(lambda: _summary(emulator, name)["state"] == "JOB_STATE_SUCCEEDED")
        job = emulator.request("GET", f"/v1/{name}")
        assert job["completionStats"] == {"successfulCount": "1"}
        directory = job["outputInfo"]["gcsOutputDirectory"].removeprefix("gs://data/")
        url = f"{emulator.url}/storage/v1/b/data/o"
        (found,) = plain_http.get(url, params={"prefix": directory}, timeout=300).json()["items"]
        assert found["name"] == f"{directory}/predictions.jsonl"


def test_a_job_is_only_found_in_its_place(emulator: EmulatorProcess, jobs: Any) -> None:
    uri = upload(emulator, line(), name="place.jsonl")
    name = post(emulator, body(uri)).json()["name"]
    with pytest.raises(NotFound):
        jobs.get_batch_prediction_job(name=name.replace("us-central1", "us-east1"), timeout=300)
    with pytest.raises(BadRequest, match="filter"):
        jobs.list_batch_prediction_jobs(
            request={"parent": PARENT, "filter": "surely not"}, timeout=300
        )
