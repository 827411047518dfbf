"""Who leaves a slot, and to whom."""

import pytest

from service.jobs.preemption import SLICE_SECONDS, Contender, should_preempt


def job(name: str, *, priority: int = 1) -> Contender:
    """Return a contender whose family is the first letter of its name."""
    return Contender(name, name[0], priority)


def preempted(
    running: list[Contender], waiting: list[Contender], *, ran_seconds: float = 1
) -> list[str]:
    return [
        each.id
        for each in running
        if should_preempt(each, running=running, waiting=waiting, ran_seconds=ran_seconds)
    ]


def test_one_slot_is_left_to_each_job_that_goes_first() -> None:
    running = [job("a1", priority=2), job("a2", priority=2), job("b1", priority=1)]
    assert preempted(running, [job("c1", priority=0)]) == ["a2"]
    assert preempted(running, [job("c1", priority=0), job("d1", priority=0)]) == ["a1", "a2"]
    assert preempted(running, [job("c1", priority=1)]) == ["a2"]


def test_nobody_leaves_for_a_job_that_goes_later_or_for_nobody() -> None:
    running = [job("a1"), job("a2")]
    assert preempted(running, [job("b1", priority=2)]) == []
    assert preempted(running, [], ran_seconds=60) == []


def test_equals_share_the_slots_after_a_while_one_at_a_time() -> None:
    running, waiting = [job("a1"), job("a2")], [job("b1"), job("b2")]
    assert preempted(running, waiting) == []
    assert preempted(running, waiting, ran_seconds=SLICE_SECONDS) == ["a2"]
    assert preempted([job("a1"), job("b1")], [job("a2"), job("b2")], ran_seconds=60) == []


@pytest.mark.parametrize("families", ["ab", "abc"])
def test_no_family_waits_for_ever(families: str) -> None:
    running, waiting = [job("a1")], [job(f"{family}1") for family in families[1:]]
    served = set()
    for _ in range(2 * len(families)):
        assert preempted(running, waiting, ran_seconds=60) == [running[0].id]
        waiting.append(running.pop())
        running.append(waiting.pop(0))
        served.add(running[0].root_id)
    assert served == set(families)
