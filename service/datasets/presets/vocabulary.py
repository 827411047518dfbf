"""The words that a task itself says, so that a masked text may show them. Pure."""

from collections.abc import Iterator

from service.datasets.presets.answer_form import AnswerForm

_HEADS = ("Text", "Context", "Question")  # before the parts of an input


def task_words(form: AnswerForm) -> Iterator[str]:
    """Yield the heads of an input, the labels, and the names of the fields of an answer."""
    yield from _HEADS
    yield from form.labels
    yield from ((form.schema or {}).get("properties") or {}).keys()
