"""What is odd about the answers of an evaluation, each with the rows that show it. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, Field

from service.evaluation.scoring.answers import RowFinding

SHOWN = 20  # positions that are listed
_CONSTANT = 0.95  # of the answers
_FEWEST = 10  # answers that can be called constant
_MESSAGES = {
    RowFinding.OUTSIDE_LABELS: "answers that are none of the task's labels",
    RowFinding.OUTSIDE_SCHEMA: "answers that are no JSON, or not of the task's schema",
    RowFinding.OUTSIDE_CONTEXT: "answers that do not stand in the input, as a span does",
    RowFinding.WITHOUT_MARK: "answers without the mark that the prompt asks for",
    RowFinding.EMPTY: "answers without any text",
    RowFinding.TRUNCATED: "answers cut off at `max_output_tokens`; raise it",
    RowFinding.COPIES_INPUT: "answers that repeat the input",
    RowFinding.OTHER_LANGUAGE: "answers in another script than the reference's",
}
_MOST_ANSWERS = 10_000  # distinct ones that are counted: constant answers are among the first
_CONSTANT_MESSAGE = "rows get one and the same answer, though their references differ"


class AnswerFinding(BaseModel):
    """One thing that is wrong with answers, whatever they score."""

    code: str
    message: str
    rows: int
    share: float = Field(description="of all rows, 0 to 1")
    positions: list[int] = Field(description=f"of the first {SHOWN} rows; the table has them all")


class FindingCounts:
    """Counts what is found, row by row; the rows themselves are not held."""

    def __init__(self) -> None:
        self._rows = 0
        self._counts: Counter[str] = Counter()
        self._positions: dict[str, list[int]] = {}
        self._answers: Counter[str] = Counter()
        self._first: dict[str, list[int]] = {}
        self._references: set[str] = set()

    def add(self, position: int, findings: Iterable[str]) -> None:
        """Add a row with what is wrong with its answer."""
        self._rows += 1
        for code in findings:
            self._count(code, position)

    def add_answer(self, position: int, answer: str, references: Sequence[str]) -> None:
        """Add an answer that is scored, to know whether all are alike."""
        key = answer.strip()[:200]
        if key not in self._answers and len(self._answers) > _MOST_ANSWERS:
            return
        self._answers[key] += 1
        _add_position(self._first, key, position)
        if len(self._references) < 2:  # noqa: PLR2004  two differ
            self._references.add(references[0])

    def _count(self, code: str, position: int) -> None:
        self._counts[code] += 1
        _add_position(self._positions, code, position)

    def found(self) -> list[AnswerFinding]:
        """Return all findings, the most frequent first."""
        found = [
            self._finding(code, _MESSAGES[RowFinding(code)], count, self._positions[code])
            for code, count in self._counts.most_common()
        ]
        return [*self._constant(), *found]

    def _constant(self) -> Iterable[AnswerFinding]:
        total = self._answers.total()
        if total < _FEWEST or len(self._references) < 2:  # noqa: PLR2004
            return
        answer, count = self._answers.most_common(1)[0]
        if count >= _CONSTANT * total:
            yield self._finding("constant_answers", _CONSTANT_MESSAGE, count, self._first[answer])

    def _finding(
        self, code: str, message: str, rows: int, positions: Sequence[int]
    ) -> AnswerFinding:
        share = rows / self._rows
        text = f"{rows} of {self._rows}: {message}"
        return AnswerFinding(
            code=code, message=text, rows=rows, share=share, positions=list(positions)
        )


def _add_position(positions: dict[str, list[int]], key: str, position: int) -> None:
    known = positions.setdefault(key, [])
    if len(known) < SHOWN:
        known.append(position)
