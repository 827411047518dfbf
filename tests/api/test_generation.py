"""One text put to a model: answered, streamed, paid for, bounded, and kept nowhere."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from service.settings import Settings
from tests.api.outputs import prepared_dataset
from tests.api.problems import problem_of
from tests.api.server import Api, Caller, Json
from tests.api.tuned_models import BAD, BASE_MODEL, GOOD, tuned_model
from tests.emulator.clients import genai_client
from tests.support.emulator import EmulatorProcess, start_emulator
from tests.support.redis import start_redis

SECRET_WORDS = "note 7: a splendid and happy day for Zebulon"


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorProcess]:
    with start_emulator(tuning_seconds=0) as started:
        yield started


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with start_redis() as redis:
        yield redis.url


@pytest.fixture
def settings(settings: Settings, emulator: EmulatorProcess, redis_url: str) -> Settings:
    emulator.reset()
    emulator.configure(tuning_seconds=0)
    changes = {
        "vertex_endpoint": emulator.url,
        "google_cloud_project": "lab",
        "redis_url": redis_url,
        "generations_per_key": 1,
        "call_attempts": 2,
    }
    return settings.model_copy(update=changes)


@pytest.fixture
def tuned(api: Api, caller: Caller, emulator: EmulatorProcess) -> str:
    dataset = prepared_dataset(api, caller)["id"]
    return tuned_model(api, caller, dataset, emulator=emulator)


def ask(caller: Caller, model: str, text: str = GOOD, **settings: object) -> Json:
    answer = caller.post(f"/v1/models/{model}/generate", {"text": text, **settings})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def spent(caller: Caller) -> Json:
    total: Json = caller.get("/v1/usage").json()["total"]
    return total


def test_a_base_model_answers_and_its_call_is_entered(caller: Caller) -> None:
    answer = ask(caller, BASE_MODEL, max_output_tokens=50)

    assert (answer["model"], answer["target"], answer["outcome"]) == (BASE_MODEL, BASE_MODEL, "ok")
    assert answer["text"]
    assert answer["synthetic"]
    used = spent(caller)
    assert (used["requests"], used["cost"]) == (1, answer["cost"])
    assert used["prompt_tokens"] == answer["prompt_tokens"] > 0
    assert (used["uncounted"], used["synthetic_cost"]) == ("0.00", answer["cost"])


def test_a_tuned_model_answers_as_it_learnt_and_googles_own_client_gets_the_same(
    caller: Caller, tuned: str, emulator: EmulatorProcess
) -> None:
    answers = [ask(caller, tuned, text=f"note 7: {day}") for day in (GOOD, BAD)]

    assert [answer["text"] for answer in answers] == ["GOOD", "BAD"]
    assert caller.request("PUT", "/v1/aliases/days@best", json={"model": tuned}).status_code == 200
    by_alias = ask(caller, "days@best", text=f"note 7: {GOOD}")
    assert (by_alias["model"], by_alias["text"]) == (tuned, "GOOD")
    client = genai_client(emulator, location=answers[0]["location"])
    theirs = client.models.generate_content(
        model=answers[0]["target"], contents=f"note 7: {GOOD}", config={"temperature": 0}
    )
    client.close()
    assert theirs.text == "GOOD"


def test_a_dataset_puts_the_text_as_its_models_learnt_it(
    caller: Caller, tuned: str, emulator: EmulatorProcess
) -> None:
    dataset = caller.get(f"/v1/models/{tuned}").json()["dataset"]
    plain, put = (ask(caller, tuned, dataset=each) for each in (None, dataset))

    assert put["prompt_tokens"] > plain["prompt_tokens"] + 5
    assert ask(caller, tuned, system="Be brief.")["prompt_tokens"] > plain["prompt_tokens"]


def events_of(text: str) -> list[tuple[str, Json]]:
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(lines[0].removeprefix("event: "), json.loads(lines[1][6:])) for lines in blocks]


def test_a_stream_brings_pieces_and_then_the_whole(caller: Caller) -> None:
    body = {"text": SECRET_WORDS * 5, "stream": True}
    answer = caller.post(f"/v1/models/{BASE_MODEL}/generate", body)

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    *pieces, (name, whole) = events_of(answer.text)
    assert {each for each, _ in pieces} == {"text"}
    assert name == "done"
    assert "".join(piece["text"] for _, piece in pieces) == whole["text"]
    assert len(pieces) > 1
    assert spent(caller)["cost"] == whole["cost"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_before_the_first_word_has_a_status_of_its_own(
    caller: Caller, emulator: EmulatorProcess, *, stream: bool
) -> None:
    unknown = caller.post("/v1/models/gemini-9-ultra/generate", {"text": GOOD, "stream": stream})
    assert BASE_MODEL in problem_of(unknown, 404, "model_not_found")["detail"]

    emulator.configure(error_503_rate=1)
    body = {"text": SECRET_WORDS, "stream": stream}
    failed = caller.post(f"/v1/models/{BASE_MODEL}/generate", body)
    assert "503" in problem_of(failed, 502, "generation_failed")["detail"]
    assert "Zebulon" not in failed.text
    assert spent(caller)["known"] == "0.00"


@pytest.mark.parametrize("stream", [False, True])
def test_tries_whose_end_is_unknown_count_as_billed(
    caller: Caller, emulator: EmulatorProcess, *, stream: bool
) -> None:
    emulator.configure(drop_after_rate=1)
    body = {"text": SECRET_WORDS, "stream": stream, "max_output_tokens": 100}

    answer = caller.post(f"/v1/models/{BASE_MODEL}/generate", body)

    assert problem_of(answer, 502, "generation_failed")
    used = spent(caller)
    assert used["uncounted"] == used["known"] != "0.00"


def test_an_answer_that_breaks_off_is_reported_and_not_asked_for_again(
    caller: Caller, emulator: EmulatorProcess
) -> None:
    emulator.configure(truncate_rate=1)
    body = {"text": SECRET_WORDS * 5, "stream": True}

    answer = caller.post(f"/v1/models/{BASE_MODEL}/generate", body)

    if answer.status_code == 200:
        *_, (name, problem) = events_of(answer.text)
        assert (name, problem["code"]) == ("error", "generation_failed")
        assert "broke off" in problem["detail"]
        assert emulator.ledger()["calls_accepted"] == 1


def test_what_is_not_there_or_not_ready_is_refused(api: Api, caller: Caller) -> None:
    dataset = prepared_dataset(api, caller)["id"]
    job = caller.submit("tune", {"dataset": dataset, "train_size": 20})
    path = f"/v1/models/{job['outputs']['model']}/generate"

    problem_of(caller.post(path, {"text": GOOD}), 409, "not_ready")
    problem_of(api.caller("stranger").post(path, {"text": GOOD}), 404, "model_not_found")
    for body in ({"text": ""}, {"text": GOOD, "temperature": 3}, {"text": GOOD, "tools": []}):
        answer = caller.post(f"/v1/models/{BASE_MODEL}/generate", body)
        problem_of(answer, 422, "validation_failed")
    retired = caller.post("/v1/models/gemini-2.5-flash/generate", {"text": GOOD})
    problem_of(retired, 422, "base_model_retired")


def test_a_projects_limit_holds_and_nothing_stays_held(api: Api, caller: Caller) -> None:
    support = api.caller("support")
    administrator = api.caller()
    limited = administrator.patch(
        f"/v1/projects/{support.project_id}", {"limits": {"dollars_per_month": "0.0002"}}
    )
    assert limited.status_code == 200, limited.text
    support = api.caller("support")
    path, body = f"/v1/models/{BASE_MODEL}/generate", {"text": GOOD, "max_output_tokens": 10}

    assert support.post(path, body).status_code == 200
    before = spent(support)
    large = support.post(path, body | {"max_output_tokens": 60_000})
    problem_of(large, 403, "project_limit_reached")
    assert spent(support) == before
    while (answer := support.post(path, body)).status_code == 200:
        pass
    problem_of(answer, 403, "project_limit_reached")
    assert 0 < float(spent(support)["known"]) <= 0.0002


def ask_by_command(api: Api, caller: Caller, *words: str) -> "subprocess.CompletedProcess[str]":
    server = ["--url", api.url, "--key", caller.secret]
    return subprocess.run(
        [sys.executable, "-m", "tunecurve", "ask", *words, *server],
        capture_output=True,
        text=True,
        check=False,
        timeout=840,
    )


def test_the_command_asks_and_streams(api: Api, caller: Caller, tuned: str) -> None:
    whole = ask_by_command(api, caller, tuned, f"note 7: {GOOD}")
    streamed = ask_by_command(api, caller, tuned, f"note 7: {GOOD}", "--stream")
    reported = ask_by_command(api, caller, BASE_MODEL, GOOD, "-o", "json")
    unknown = ask_by_command(api, caller, "gemini-9-ultra", GOOD, "--stream")

    assert whole.stdout == streamed.stdout == "GOOD\n"
    assert "SYNTHETIC" in whole.stderr
    assert json.loads(reported.stdout)["object"] == "generation"
    assert (unknown.returncode, "model_not_found" in unknown.stderr) == (4, True)


def test_nothing_of_a_prompt_is_logged_or_stored(
    api: Api, caller: Caller, capfd: pytest.CaptureFixture[str]
) -> None:
    ask(caller, BASE_MODEL, text=SECRET_WORDS, system="Zebulon's own words")

    entries = caller.get("/v1/audit").text
    assert "generateText" in entries
    assert "Zebulon" not in entries
    reported = capfd.readouterr()
    assert "Zebulon" not in reported.out + reported.err
