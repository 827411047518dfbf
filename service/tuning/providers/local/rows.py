"""Rows of a training as tokens: texts with a label, or prompts with the answers to be learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.datasets.examples import Example, user_turn
from service.errors import Fault, Invalid
from service.inference.local.folders import LocalTask
from service.inference.local.prompts import answer_text, classified_text, prompt_of
from service.inference.ports import Turn
from service.tuning.providers.local.plan import TrainingPlan

NO_LOSS = -100  # the label of tokens that nothing is learned from
_LEAST_LABELS = 2
_MOST_LABELS = 0.5  # of the rows: then each stands twice on average


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """What a collator takes; `tokens` of one pass, `truncated` rows that were cut."""

    rows: list[dict[str, Any]]
    tokens: int
    truncated: int


def labels_of(examples: Sequence[Example], known: Sequence[str]) -> tuple[str, ...]:
    """Return the labels to learn: those that the dataset names, else those of its rows.

    Raises Invalid `labels_too_few` where there is nothing to learn, and `labels_too_many`
    where hardly an answer stands twice.
    """
    labels = tuple(known) or tuple(sorted({example.target for example in examples}))
    if len(labels) < _LEAST_LABELS:
        message = f"a classifier needs two labels or more, and the training rows have {len(labels)}"
        raise Invalid(message, code="labels_too_few")
    if not known and len(labels) > _MOST_LABELS * len(examples):
        message = (
            f"{len(labels)} different answers in {len(examples)} rows are no labels: train with "
            "`local.task` `causal_lm`"
        )
        raise Invalid(message, code="labels_too_many")
    return labels


def encode(
    examples: Sequence[Example], plan: TrainingPlan, tokenizer: Any, *, instruction: str
) -> EncodedRows:
    """Return examples as rows of token ids; raises Invalid `label_unknown`, naming the row."""
    encoder = _Encoder(plan, tokenizer, instruction)
    encode_one = (
        encoder.labelled
        if plan.task is LocalTask.SEQUENCE_CLASSIFICATION
        else encoder.prompt_and_answer
    )
    rows = [encode_one(example) for example in examples]
    return EncodedRows(rows, sum(len(row["input_ids"]) for row in rows), encoder.truncated)


class _Encoder:
    def __init__(self, plan: TrainingPlan, tokenizer: Any, instruction: str) -> None:
        self._plan, self._tokenizer, self._instruction = plan, tokenizer, instruction
        self._labels = {label: position for position, label in enumerate(plan.labels)}
        self.truncated = 0

    def labelled(self, example: Example) -> dict[str, Any]:
        label = self._labels.get(example.target)
        if label is None:
            message = f"row {example.row}: its answer is none of the {len(self._labels)} labels"
            fault = Fault(f"row {example.row}", "label_unknown", message)
            raise Invalid(message, code="label_unknown", faults=[fault])
        text = classified_text(example.system, turns_of(example))
        length = self._plan.max_length
        encoded = self._tokenizer(text, truncation=True, max_length=length)
        ids = encoded["input_ids"]
        if len(ids) == length:
            self.truncated += len(self._tokenizer(text)["input_ids"]) > length
        return {"input_ids": ids, "attention_mask": encoded["attention_mask"], "labels": label}

    def prompt_and_answer(self, example: Example) -> dict[str, Any]:
        """Return prompt and answer, the end of the text last; only the answer is learned."""
        turns = turns_of(example, instruction=self._instruction)
        prompt = self._ids(prompt_of(self._tokenizer, example.system, turns))
        answer = self._ids(answer_text(self._tokenizer, example.target))
        answer = [*answer, self._tokenizer.eos_token_id]
        ids, length = [*prompt, *answer], self._plan.max_length
        self.truncated += len(ids) > length
        learned = [NO_LOSS] * len(prompt) + answer
        return {
            "input_ids": ids[-length:],  # the answer and what stands right before it
            "attention_mask": [1] * min(len(ids), length),
            "labels": learned[-length:],
        }

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def turns_of(example: Example, *, instruction: str = "") -> tuple[Turn, ...]:
    """Return the turns before an example's answer, as an evaluation without shots puts them."""
    history = (Turn(turn.role, turn.text) for turn in example.history)
    return (*history, Turn("user", user_turn(instruction, example.text)))
