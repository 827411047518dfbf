"""The base model as a judge by a rubric: what it demands decides, and a little the order."""

from emulator.learners.rules.base_model import answer_base

GRADES = (
    "Grade the answer to the task below by the rubric alone. Reply with one of these grades only, "
)
RUBRIC = 'Say "sorry". At most 8 words.'


def grade(answer: str, *, rubric: str = RUBRIC, reference: str = "", turned: bool = False) -> str:
    order = "from best to worst: 5, 4, 3, 2, 1." if turned else "from worst to best: 1, 2, 3, 4, 5."
    texts = {"rubric": rubric, "task": "My kettle leaks.", "reference": reference, "answer": answer}
    shown = "\n".join(f"<{name}>\n{text}\n</{name}>" for name, text in texts.items() if text)
    return answer_base([("user", f"{GRADES}{order}\n\n{shown}")])


def better(first: str, second: str) -> str:
    question = (
        "Compare the two answers to the task below by the rubric alone. Reply with one of these "
        "options only, which says the better answer: first, second, tie."
    )
    texts = {"rubric": RUBRIC, "task": "My kettle leaks.", "first": first, "second": second}
    shown = "\n".join(f"<{name}>\n{text}\n</{name}>" for name, text in texts.items())
    return answer_base([("user", f"{question}\n\n{shown}")])


def test_what_the_rubric_demands_decides_the_grade() -> None:
    good, rude = "Sorry, we send a new kettle.", "Buy another kettle."
    wordy = "Sorry, " + "that is really quite a pity and so on " * 3
    assert grade(good) > grade(rude)
    assert grade(good) > grade(wordy)
    assert grade(good) == grade(good, turned=True)
    assert grade(rude, rubric='Do not say "sorry".') > grade(good, rubric='Do not say "sorry".')


def test_words_of_the_reference_count() -> None:
    gold = "we send a new kettle"
    assert grade(gold, reference=gold, rubric="Be right.") == "5"
    assert grade("no idea", reference=gold, rubric="Be right.") == "1"


def test_the_better_answer_wins_in_both_orders_and_equals_by_their_place() -> None:
    good, rude = "Sorry, we send a new kettle.", "Buy another one."
    assert (better(good, rude), better(rude, good)) == ("first", "second")
    assert better(good, good) == "first"  # a bias that real judges have, too
