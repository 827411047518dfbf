"""Google's tuning client against the emulated jobs."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core.exceptions import BadRequest, NotFound
from google.auth.credentials import AnonymousCredentials

from tests.emulator.examples import (
    ask,
    create,
    finish,
    jsonl,
    labelled,
    order,
    preferred,
    row,
    upload,
)
from tests.support import plain_http
from tests.support.emulator import EmulatorProcess
from tests.support.eventually import eventually

PARENT = "projects/lab/locations/us-central1"


@pytest.fixture(scope="module")
def v1() -> Any:
    from google.cloud import aiplatform_v1

    return aiplatform_v1


@pytest.fixture(scope="module")
def client(emulator: EmulatorProcess, v1: Any) -> Iterator[Any]:
    client = v1.GenAiTuningServiceClient(
        transport="rest",
        credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
        client_options={"api_endpoint": emulator.url},
    )
    yield client
    client.transport.close()


@pytest.fixture(scope="module")
def uri(emulator: EmulatorProcess) -> str:
    return upload(emulator, labelled(good="GOOD", bad="BAD"), name="labelled.jsonl")


def tuning_job(v1: Any, uri: str, **fields: Any) -> Any:
    parameters = v1.SupervisedHyperParameters(epoch_count=2, adapter_size=2)
    spec = v1.SupervisedTuningSpec(training_dataset_uri=uri, hyper_parameters=parameters)
    return v1.TuningJob(base_model="gemini-2.5-flash", supervised_tuning_spec=spec, **fields)


def test_a_tuning_runs_to_an_endpoint_that_answers_as_taught(
    emulator: EmulatorProcess, client: Any, v1: Any, uri: str
) -> None:
    job = tuning_job(v1, uri, tuned_model_display_name="notes", labels={"team": "one"})
    created = client.create_tuning_job(parent=PARENT, tuning_job=job, timeout=300)
    assert created.state == v1.JobState.JOB_STATE_PENDING
    assert created.name.split("/")[1].isdigit()

    finish(emulator, created.name)
    done = client.get_tuning_job(name=created.name, timeout=300)
    assert done.state == v1.JobState.JOB_STATE_SUCCEEDED
    assert done.create_time <= done.start_time <= done.end_time <= done.update_time
    assert done.tuned_model.model.endswith("@1")
    assert done.tuned_model.checkpoints[-1].endpoint == done.tuned_model.endpoint
    assert done.supervised_tuning_spec.hyper_parameters.adapter_size.name == "ADAPTER_SIZE_FOUR"
    stats = done.tuning_data_stats.supervised_tuning_data_stats
    assert stats.tuning_dataset_example_count == 40
    assert ask(emulator, done.tuned_model.endpoint, "note 3: a splendid and happy day") == "GOOD"


def test_other_data_teach_other_answers(emulator: EmulatorProcess) -> None:
    uri = upload(emulator, labelled(good="JOY", bad="WOE"), name="other.jsonl")
    endpoint = finish(emulator, create(emulator, order(uri))["name"])["tunedModel"]["endpoint"]
    assert ask(emulator, endpoint, "note 3: a splendid and happy day") == "JOY"
    assert ask(emulator, endpoint, "note 3: a dreadful and sorry day") == "WOE"


def test_every_epoch_is_recorded(emulator: EmulatorProcess, uri: str) -> None:
    done = finish(emulator, create(emulator, order(uri, epochs=4))["name"])
    inside = emulator.request("GET", f"/_emulator/tunings/{done['name'].rpartition('/')[2]}")
    assert [record["epoch"] for record in inside["history"]] == [1, 2, 3, 4]
    assert inside["history"][0]["train_loss"] > inside["history"][-1]["train_loss"]
    assert inside["training_rows"] == 40


def test_earlier_turns_and_the_system_instruction_are_part_of_the_prompt(
    emulator: EmulatorProcess,
) -> None:
    def conversation(number: int) -> dict[str, Any]:
        word, label = (("red", "warm"), ("blue", "cold"))[number % 2]
        turns = [("user", f"case {number}: {word}"), ("model", "noted"), ("user", "which?")]
        contents = [{"role": role, "parts": [{"text": text}]} for role, text in turns]
        contents.append({"role": "model", "parts": [{"text": label}]})
        return {"systemInstruction": {"parts": [{"text": "Colours."}]}, "contents": contents}

    uri = upload(emulator, jsonl([conversation(i) for i in range(40)]), name="turns.jsonl")
    done = finish(emulator, create(emulator, order(uri))["name"])
    body = conversation(3)
    body["contents"].pop()
    path = f"/v1/{done['tunedModel']['endpoint']}:generateContent"
    answer = emulator.request("POST", path, body)
    assert answer["candidates"][0]["content"]["parts"] == [{"text": "cold"}]


def test_a_uri_that_is_no_jsonl_is_refused_by_field(client: Any, v1: Any) -> None:
    with pytest.raises(BadRequest, match="should be a GCS object of type JSONL") as refused:
        client.create_tuning_job(
            parent=PARENT, tuning_job=tuning_job(v1, "gs://data/x.csv"), timeout=300
        )
    violation = refused.value.details[0]["fieldViolations"][0]
    assert violation["field"] == "tuning_job.supervised_tuning_spec.training_dataset_uri"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseModel": "palm-2"}, "palm-2 is not supported"),
        ({"baseModel": "gemini-3.5-flash", "location": "asia-east1"}, "cannot be tuned"),
        ({"labels": {"Team": "one"}}, "labels"),
        ({"tunedModelDisplayName": "x" * 129}, "more than 128"),
        ({"uri": "gs://data/missing.jsonl"}, "was not found"),
        ({"adapter": "ADAPTER_SIZE_THIRTY_TWO"}, "is not supported for gemini-2.5-flash"),
        ({"adapter": 99}, "adapter_size"),
        ({"rate": "NaN"}, "learning_rate_multiplier"),
    ],
)
def test_what_the_service_checks_at_creation_is_refused(
    emulator: EmulatorProcess, uri: str, change: dict[str, Any], message: str
) -> None:
    body = order(change.pop("uri", uri))
    parameters = body["supervisedTuningSpec"]["hyperParameters"]
    parameters |= {"adapterSize": change.pop("adapter", 1)}
    parameters |= {"learningRateMultiplier": change.pop("rate", 1)}
    location = change.pop("location", "us-central1")
    path = f"/v1/projects/lab/locations/{location}/tuningJobs"
    response = plain_http.post(f"{emulator.url}{path}", json=body | change, timeout=300)
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


@pytest.mark.parametrize(("rows", "epochs"), [(20, 40), (166, 40), (800, 8), (7000, 2)])
def test_the_service_chooses_epochs_by_the_number_of_rows(
    emulator: EmulatorProcess, client: Any, v1: Any, rows: int, epochs: int
) -> None:
    emulator.configure(pending_seconds=600)
    uri = upload(emulator, labelled(good="A", bad="B", count=rows), name=f"rows-{rows}.jsonl")
    spec = v1.SupervisedTuningSpec(training_dataset_uri=uri)
    job = v1.TuningJob(base_model="gemini-2.5-flash", supervised_tuning_spec=spec)
    made = client.create_tuning_job(parent=PARENT, tuning_job=job, timeout=300)
    client.cancel_tuning_job(name=made.name, timeout=300)
    emulator.configure(pending_seconds=0)
    assert made.supervised_tuning_spec.hyper_parameters.epoch_count == epochs


def preference_order(uri: str, **parameters: Any) -> dict[str, Any]:
    body = order(uri)
    spec = body.pop("supervisedTuningSpec")
    spec["hyperParameters"] |= parameters
    return body | {"preferenceOptimizationSpec": spec}


def test_a_preference_tuning_learns_the_chosen_answer_and_tells_what_it_read(
    emulator: EmulatorProcess,
) -> None:
    uri = upload(emulator, preferred(good="GOOD", bad="BAD"), name="preferred.jsonl")
    made = create(emulator, preference_order(uri, beta=0.3))
    assert made["preferenceOptimizationSpec"]["hyperParameters"]["beta"] == pytest.approx(0.3)
    done = finish(emulator, made["name"])
    assert done["tuningJobMetadata"] == {"completedEpochCount": "2"}
    endpoint = done["tunedModel"]["endpoint"]
    assert ask(emulator, endpoint, "note 99: a splendid and happy day") == "GOOD"
    assert ask(emulator, endpoint, "note 99: a dreadful and sorry day") == "BAD"
    (reported,) = done["tuningDataStats"].items()
    assert reported[0] == "preferenceOptimizationDataStats"
    inputs, outputs = (
        int(reported[1][f"user{side}TokenDistribution"]["sum"]) for side in ("Input", "Output")
    )
    assert reported[1]["totalBillableTokenCount"] == str(2 * inputs + outputs)
    assert reported[1]["userDatasetExamples"][0]["completions"][1]["score"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0}, "beta must be a positive number"),
        ({"epochCount": -1}, "preference_optimization_spec.hyper_parameters.epoch_count"),
        ({"model": "gemini-3.1-flash-lite"}, "not supported for preference tuning"),
        ({"supervisedTuningSpec": {}}, "exclude each other"),
    ],
)
def test_a_preference_tuning_that_cannot_be_is_refused(
    emulator: EmulatorProcess, uri: str, change: dict[str, Any], message: str
) -> None:
    more = {name: each for name, each in change.items() if name == "supervisedTuningSpec"}
    model = change.pop("model", "gemini-2.5-flash")
    body = preference_order(uri, **{k: v for k, v in change.items() if k not in more})
    response = plain_http.post(
        f"{emulator.url}/v1/{PARENT}/tuningJobs",
        json=body | more | {"baseModel": model},
        timeout=300,
    )
    assert response.status_code == 400
    assert message in response.json()["error"]["message"]


def test_rows_of_the_other_method_fail_a_tuning(emulator: EmulatorProcess, uri: str) -> None:
    pairs = upload(emulator, preferred(good="GOOD", bad="BAD"), name="others.jsonl")
    for body in (preference_order(uri), order(pairs)):
        failed = finish(emulator, create(emulator, body)["name"])
        assert failed["state"] == "JOB_STATE_FAILED"
        assert "40 of 40 rows are invalid" in failed["error"]["message"]


def test_an_unknown_field_is_refused_with_its_place(emulator: EmulatorProcess, uri: str) -> None:
    body = order(uri)
    body["supervisedTuningSpec"]["hyperParameters"]["epochs"] = 2
    response = plain_http.post(
        f"{emulator.url}/v1beta1/{PARENT}/tuningJobs", json=body, timeout=300
    )
    assert response.status_code == 400
    assert response.json()["error"]["message"] == (
        'Invalid JSON payload received. Unknown name "epochs" at '
        "'tuning_job.supervised_tuning_spec.hyper_parameters': Cannot find field."
    )


def test_snake_case_and_enum_numbers_are_read(emulator: EmulatorProcess, uri: str) -> None:
    body = {
        "base_model": "gemini-2.5-flash",
        "supervised_tuning_spec": {
            "training_dataset_uri": uri,
            "hyper_parameters": {"epoch_count": "1", "adapter_size": 6},
        },
    }
    spec = create(emulator, body)["supervisedTuningSpec"]
    assert spec["hyperParameters"]["adapterSize"] == "ADAPTER_SIZE_TWO"
    assert spec["hyperParameters"]["epochCount"] == "1"


def test_bad_rows_fail_the_job_by_number_and_never_by_text(emulator: EmulatorProcess) -> None:
    rows = [row("secret one", "a"), {"contents": [{"role": "model"}]}, row("secret two", "b")]
    rows.append({"messages": [{"role": "user", "content": "secret"}]})
    uri = upload(emulator, jsonl(rows) + "\nsecret, not JSON", name="bad.jsonl")
    done = finish(emulator, create(emulator, order(uri))["name"])
    assert done["state"] == "JOB_STATE_FAILED"
    assert done["error"]["code"] == 3
    assert "3 of 5 rows are invalid (rows 2, 4, 5)" in done["error"]["message"]
    assert "secret" not in json.dumps(done)
    assert "tunedModel" not in done


def test_rows_beyond_the_longest_are_dropped_and_reported(
    emulator: EmulatorProcess, client: Any
) -> None:
    rows = [row(f"note {i}: a {'happy' if i % 2 else 'sorry'} day", "AB"[i % 2]) for i in range(20)]
    rows[4] = row("x" * 131_072 * 4, "ALWAYS WRONG")
    name = create(emulator, order(upload(emulator, jsonl(rows), name="long.jsonl")))["name"]
    finish(emulator, name)
    stats = client.get_tuning_job(name=name, timeout=300).tuning_data_stats
    reported = stats.supervised_tuning_data_stats
    assert (reported.tuning_dataset_example_count, reported.total_truncated_example_count) == (
        20,
        1,
    )
    assert list(reported.truncated_example_indices) == [5]
    assert "131072 tokens" in reported.dropped_example_reasons[0]
    assert reported.total_billable_token_count < 1000
    assert emulator.ledger()["tunings"][-1]["training_rows"] == 19


def test_lists_are_filtered_by_label_and_state_and_paged(
    emulator: EmulatorProcess, client: Any, v1: Any, uri: str
) -> None:
    parent = "projects/lister/locations/us-central1"
    names = [
        client.create_tuning_job(
            parent=parent, tuning_job=tuning_job(v1, uri, labels={"n": str(i % 2)}), timeout=300
        ).name
        for i in range(3)
    ]

    def listed(**query: Any) -> list[str]:
        request = v1.ListTuningJobsRequest(parent=parent, **query)
        return [job.name for job in client.list_tuning_jobs(request=request, timeout=300)]

    assert listed(page_size=1) == names[::-1]
    assert listed(filter='labels.n="0"') == [names[2], names[0]]
    assert listed(filter="labels.n:*") == names[::-1]
    assert listed(filter="labels.other:*") == []
    for name in names:
        finish(emulator, name)
    assert len(listed(filter='state="JOB_STATE_SUCCEEDED" AND labels.n="1"')) == 1
    with pytest.raises(BadRequest, match="filter"):
        listed(filter="surely not")


def test_a_tuning_is_only_found_in_its_project_and_location(
    emulator: EmulatorProcess, client: Any, uri: str
) -> None:
    name = create(emulator, order(uri))["name"]
    tuning_id = name.rpartition("/")[2]
    assert client.get_tuning_job(name=f"{PARENT}/tuningJobs/{tuning_id}", timeout=300).name == name
    with pytest.raises(NotFound):
        client.get_tuning_job(name=name.replace("us-central1", "europe-west4"), timeout=300)
    with pytest.raises(NotFound):
        client.get_tuning_job(name=f"{PARENT}/tuningJobs/1", timeout=300)


def test_a_tuned_gemini_3_is_served_at_its_multi_region_only(
    emulator: EmulatorProcess, uri: str
) -> None:
    job = create(emulator, order(uri, model="gemini-3.5-flash"), location="europe-west4")
    tuned = finish(emulator, job["name"])["tunedModel"]
    assert tuned["model"].split("/")[3] == tuned["endpoint"].split("/")[3] == "eu"
    assert ask(emulator, tuned["endpoint"], "note 3: a splendid and happy day") == "GOOD"
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    for location in ("europe-west4", "global", "us"):
        wrong = tuned["endpoint"].replace("/eu/", f"/{location}/")
        response = plain_http.post(
            f"{emulator.url}/v1/{wrong}:generateContent", json=body, timeout=300
        )
        assert response.status_code == 404


def test_a_waiting_and_a_learning_tuning_can_be_cancelled(
    emulator: EmulatorProcess, client: Any, uri: str
) -> None:
    learning = create(emulator, order(uri, epochs=100_000))["name"]
    waiting = create(emulator, order(uri))["name"]
    states = eventually(lambda: _states(emulator, learning, "RUNNING"))
    assert states
    for name in (waiting, learning):
        client.cancel_tuning_job(name=name, timeout=300)
    cancelled = [finish(emulator, name) for name in (waiting, learning)]
    assert [job["state"] for job in cancelled] == ["JOB_STATE_CANCELLED"] * 2
    assert [job["error"]["code"] for job in cancelled] == [1, 1]
    with pytest.raises(BadRequest):
        client.cancel_tuning_job(name=waiting, timeout=300)


def _states(emulator: EmulatorProcess, name: str, state: str) -> bool:
    return bool(emulator.request("GET", f"/v1/{name}")["state"] == f"JOB_STATE_{state}")
