"""One odd answer of the provider is not the last word: it is asked again, within bounds."""

import json
from typing import Any

import pytest

from service.catalogue.prices import CallPrice
from service.database import Sessions
from service.errors import NotFound, ProviderRefused
from service.inference.attempts import ASKS_AGAIN
from service.inference.generators.messages import read_answer, with_estimates
from service.inference.ledger import costs_of, record_calls
from service.inference.operations import generate_all
from service.inference.ports import Generation, GenerationRequest, GenerationResult, Outcome
from service.jobs.queries import get_job
from service.projects.operations import ensure_project
from service.text import storable_json, storable_text
from service.webhooks.event_log import list_events
from tests.service.inference.budgeted_calls import PRICE, Family, request, write
from tests.service.inference.provider import GARBAGE, Provider
from tests.service.inference.result_store import FLOW, LIMITS, Shelf, fast, requests

EMPTY = (
    200,
    json.dumps(
        {
            "candidates": [{"content": {"role": "model"}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3},
        }
    ).encode(),
)
ROWS = 40


def outcomes(shelf: Shelf) -> dict[str, Outcome]:
    return {each.key: each.generation.outcome for each in shelf.answered}


@pytest.mark.parametrize("fault", [EMPTY, GARBAGE], ids=["empty", "garbage"])
def test_an_answer_that_says_nothing_is_asked_for_again(
    provider: Provider, shelf: Shelf, fault: Any
) -> None:
    provider.once.update({f"prompt-{number}": fault for number in range(12)})
    shelf.run(requests(ROWS))
    assert set(outcomes(shelf).values()) == {Outcome.OK}
    asked_twice = [each for each in shelf.answered if each.discarded]
    assert {each.key for each in asked_twice} == {f"row-{number}" for number in range(12)}
    assert {(each.attempts, len(each.billed)) for each in asked_twice} == {(2, 2)}


def test_an_answer_that_stays_empty_has_its_own_outcome_and_all_its_tries_are_paid(
    provider: Provider, shelf: Shelf
) -> None:
    provider.always["prompt-7"] = EMPTY
    shelf.run(requests(ROWS))
    assert [key for key, outcome in outcomes(shelf).items() if outcome is Outcome.EMPTY] == [
        "row-7"
    ]
    result = next(each for each in shelf.answered if each.key == "row-7")
    assert len(result.billed) == 1 + ASKS_AGAIN
    assert sum(each.prompt_tokens for each in result.billed) == 3 * (1 + ASKS_AGAIN)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_amid_answers_is_tried_again_before_it_ends_the_run(
    provider: Provider, shelf: Shelf, status: int
) -> None:
    provider.once["prompt-39"] = status
    provider.latency_seconds = 0.005
    shelf.run(requests(ROWS))
    assert len(shelf.answered) == ROWS


def test_a_refusal_at_the_very_start_is_tried_once_more(provider: Provider, shelf: Shelf) -> None:
    provider.faults.append(403)
    shelf.run(requests(1))
    assert outcomes(shelf) == {"row-0": Outcome.OK}


@pytest.mark.parametrize(("status", "error"), [(403, ProviderRefused), (404, NotFound)])
def test_a_refusal_that_stays_ends_the_run_after_its_attempts(
    provider: Provider, shelf: Shelf, status: int, error: type[Exception]
) -> None:
    provider.always["prompt-39"] = status
    with pytest.raises(error) as caught:
        shelf.run(requests(ROWS))
    assert sum(body["contents"] == _contents(39) for body in provider.bodies) <= LIMITS.attempts
    if error is ProviderRefused:
        assert caught.value.title == "The provider refuses"  # type: ignore[attr-defined]


def _contents(number: int) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": [{"text": f"prompt-{number}"}]}]


# ------------------------------------------------------------ text that no store takes


def test_a_providers_text_is_stored_whatever_it_holds() -> None:
    body = {
        "candidates": [
            {"content": {"parts": [{"text": "a\0b\ud800c"}]}, "finishReason": "STOP"},
        ],
        "usageMetadata": {"promptTokenCount": 2**40, "x\0": ["\0", float("nan")]},
    }
    read = read_answer(body)
    assert (read.outcome, read.text) == (Outcome.OK, "a\ufffdb\ufffdc")
    assert read.usage == {"promptTokenCount": 2**40, "x\ufffd": ["\ufffd", None]}
    assert read.prompt_tokens == 0  # more than any context: no count
    assert ProviderRefused("no\0role").message == "no\ufffdrole"
    assert storable_json({"a": ("\udfff",), "b": 1.5}) == {"a": ["\ufffd"], "b": 1.5}
    assert storable_text("ünïcödé 𝄞") == "ünïcödé 𝄞"


# ------------------------------------------------------------ answers without counts


def counted(usage: dict[str, int], *, text: str = "four", sent: GenerationRequest) -> Generation:
    answer = {"content": {"parts": [{"text": text}]}, "finishReason": "STOP"}
    return with_estimates(read_answer({"candidates": [answer], "usageMetadata": usage}), sent)


def test_absent_counts_are_estimated_and_marked_and_zero_ones_are_not() -> None:
    sent = request("a")
    assert sent.estimated_prompt_tokens == 60
    nothing = counted({}, text="x" * 40, sent=sent)
    assert (nothing.prompt_tokens, nothing.output_tokens, nothing.uncounted) == (60, 10, True)
    by_total = counted({"totalTokenCount": 9, "candidatesTokenCount": 2}, sent=sent)
    assert (by_total.prompt_tokens, by_total.output_tokens, by_total.uncounted) == (7, 2, False)
    blocked = with_estimates(Generation(Outcome.REFUSED), sent)
    assert (blocked.prompt_tokens, blocked.output_tokens, blocked.uncounted) == (60, 0, True)
    whole = counted({"promptTokenCount": 5, "candidatesTokenCount": 1}, sent=sent)
    assert (whole.prompt_tokens, whole.output_tokens, whole.uncounted) == (5, 1, False)
    cut = Generation(Outcome.TRUNCATED, prompt_tokens=5)
    assert with_estimates(cut, sent) is cut


def test_the_ledger_says_what_is_estimated(sessions: Sessions) -> None:
    project = ensure_project("team", sessions=sessions)
    job = write(sessions, project)
    sent = [request("a"), request("b")]
    results = [
        GenerationResult(sent[0], counted({}, sent=sent[0]), 1),
        GenerationResult(
            sent[1], counted({"promptTokenCount": 60, "candidatesTokenCount": 1}, sent=sent[1]), 1
        ),
    ]
    assert _recorded(sessions, project, job, results, PRICE) == [61_000, 61_000]
    with sessions.reading() as session:
        cost = costs_of(session, [job])[job]
    assert (cost["known"], cost["actual"]) == ("0.000122", "0.000122")
    assert cost["uncounted"] == "0.000061"


def test_answers_that_were_thrown_away_are_paid_for(sessions: Sessions) -> None:
    project = ensure_project("team", sessions=sessions)
    job = write(sessions, project)
    empty = Generation(Outcome.EMPTY, prompt_tokens=60)
    good = Generation(Outcome.OK, text="a", prompt_tokens=60, output_tokens=1)
    result = GenerationResult(request("a"), good, 2, discarded=(empty,))
    assert _recorded(sessions, project, job, [result], PRICE) == [121_000]
    with sessions.reading() as session:
        cost = costs_of(session, [job])[job]
    assert (cost["requests"], cost["prompt_tokens"]) == (2, 120)


def _recorded(
    sessions: Sessions,
    project_id: str,
    job_id: str,
    results: list[GenerationResult],
    price: CallPrice,
) -> list[int | None]:
    with sessions.transaction() as session:
        return record_calls(
            session, results, project_id=project_id, job_id=job_id, base_model="m", price=price
        )


# ------------------------------------------------------------ refused for quota for long


def test_a_long_refusal_for_quota_is_announced_and_so_is_its_end(
    provider: Provider, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.inference.generation_run.REFUSED_SECONDS", 0.3)
    provider.always["prompt-0"] = 429
    announced: list[bool] = []

    def warn(refused: bool) -> None:  # noqa: FBT001  a callback
        announced.append(refused)
        provider.always.clear()

    generate_all(
        requests(1),
        generator=shelf.generator,
        governor=fast(),
        flow=FLOW,
        limits=LIMITS,
        store=shelf.store,
        check=shelf.check,
        warn=warn,
    )
    assert announced[0] is True
    assert outcomes(shelf) == {"row-0": Outcome.OK}


def test_a_running_job_says_what_holds_it_up(sessions: Sessions) -> None:
    project = ensure_project("team", sessions=sessions)
    root = write(sessions, project)
    run = Family(sessions, project, root).run(root)
    for why, reason in (("quota", "quota"), ("quota", "quota"), (None, None)):
        run.warn(why)
        job = get_job(root, project_id=project, sessions=sessions)
        assert (job.state, job.reason) == ("running", reason)
    events = list_events(project, job_id=root, limit=100, sessions=sessions)
    assert [str(event.type) for event in events].count("job.warning") == 1
