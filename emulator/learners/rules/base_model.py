"""The base model: fixed rules without training, chosen by the instruction and helped by the shots.

No score is stored anywhere: an answer follows from the text, the instruction and the shots. What
shots do, and where they were measured not to help, is said at each rule (`masking`,
`classification`, `question_answering`, `extraction`).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import log
from typing import Any

from emulator.learners.controlled import constrain, kind_of
from emulator.learners.distributions import Categorical
from emulator.learners.rules.classification import choose_label, label_distribution
from emulator.learners.rules.conversation import Conversation, read_conversation
from emulator.learners.rules.extraction import KeyRule, extract_values, extraction_errors, key_rules
from emulator.learners.rules.instructions import (
    CLASSIFYING,
    label_hints,
    named_options,
    without_lists,
)
from emulator.learners.rules.masking import mask_text, masking_errors
from emulator.learners.rules.question_answering import answer_question, rank_answers
from emulator.learners.rules.rubric import read_grading
from emulator.learners.rules.verdict import read_verdict

MASKING = re.compile(r"\b(mask|redact|anonymi[sz]|pii\b|personal)", re.IGNORECASE)
JSON = re.compile(r"\bjson\b", re.IGNORECASE)
OPINION = re.compile(r"\b(?:sentiment|opinion|tone|mood|polarity)", re.IGNORECASE)
REASONING = re.compile(r"step by step|\breason", re.IGNORECASE)
ANSWER_MARK = re.compile(r"\b((?:final )?(?:answer|output|label|result):)", re.IGNORECASE)
NO_RULE = "I am the emulator's base model and have no rule for this prompt."
MOST_OPTIONS = 300
SURE = 0.8

Schema = Mapping[str, Any]


def answer_base(
    turns: Sequence[tuple[str, str]],
    *,
    system_instruction: str = "",
    schema: Schema | None = None,
) -> str:
    """Answer as the un-tuned model; `turns` are (role, text), role "user" or "model", user last.

    Instructed to reason and to end with a mark such as `Answer:`, it says which rule it used first.
    With a response schema the answer is one that the schema allows, and nothing else. Asked how
    likely an answer is right, it says in words how likely it would have given that answer itself;
    asked to judge by a rubric, it goes by what the rubric demands.
    """
    if judged := _judged(turns):
        return judged
    conversation = read_conversation(turns, system_instruction=system_instruction)
    rule = _rule(conversation, schema)
    return _worded(conversation, rule, schema, _answer(conversation, rule, schema))


def base_distribution(
    turns: Sequence[tuple[str, str]],
    *,
    system_instruction: str = "",
    schema: Schema | None = None,
) -> Categorical:
    """Return the distribution that the un-tuned model is sampled from.

    A label is drawn by the rule's scores. Any other rule gives its answer 4 times in 5 and else one
    plausible error, all equally likely: a finding left unmasked, another phrase of the sentence, a
    missed value. This model of noise is invented and says nothing about any real model.
    """
    if judged := _judged(turns):
        return Categorical([judged], [0.0])
    conversation = read_conversation(turns, system_instruction=system_instruction)
    rule = _rule(conversation, schema)
    distribution = _distribution(conversation, rule, schema)
    return distribution.map(partial(_worded, conversation, rule, schema))


def marked(instruction: str, rule: str) -> Callable[[str], str] | None:
    """Return how an answer is worded where the instruction asks for reasoning and a mark."""
    mark = ANSWER_MARK.search(instruction)
    if mark is None or not REASONING.search(instruction):
        return None
    said = f"The instruction asks for {rule}, so I applied my rule for it.\n{mark[1]} "
    return said.__add__


def _rule(conversation: Conversation, schema: Schema | None) -> str:
    if schema and not schema.get("enum"):
        return "extraction" if kind_of(schema) == "object" else "a reply"
    instruction = conversation.instruction
    task = without_lists(instruction)
    if CLASSIFYING.search(task) and not JSON.search(task) and _options(conversation, schema):
        return "a label"
    if MASKING.search(task):
        return "masking"
    if JSON.search(task):
        return "extraction"
    if conversation.query.question:
        return "an answer"
    return "a label" if _options(conversation, schema) else "a reply"


def _answer(conversation: Conversation, rule: str, schema: Schema | None) -> str:
    instruction, query = conversation.instruction, conversation.query
    match rule:
        case "masking":
            return mask_text(query.text, instruction=instruction, shots=_shots(conversation))
        case "extraction":
            keys = _keys(conversation, schema)
            return extract_values(query.text, keys, shots=_shots(conversation))
        case "an answer":
            return answer_question(query.text, query.question, shots=_question_shots(conversation))
        case "a label":
            return choose_label(query.text, **_label_rule(conversation, schema))
        case _:
            return NO_RULE


def _judged(turns: Sequence[tuple[str, str]]) -> str:
    """Return what a judge says; "" where no verdict on an answer is asked for."""
    if grading := read_grading(turns):
        return grading.reply()
    verdict = read_verdict(turns)
    if verdict is None:
        return ""
    return verdict.word(base_distribution([("user", verdict.task)]).probability(verdict.answer))


def _distribution(conversation: Conversation, rule: str, schema: Schema | None) -> Categorical:
    if rule == "a label":
        return label_distribution(conversation.query.text, **_label_rule(conversation, schema))
    answer = _answer(conversation, rule, schema)
    errors = dict.fromkeys(_plausible_errors(conversation, rule, schema))
    others = [error for error in errors if error != answer]
    shares = [SURE, *[(1 - SURE) / max(1, len(others))] * len(others)]
    return Categorical([answer, *others], [log(share) for share in shares], mode=answer)


def _label_rule(conversation: Conversation, schema: Schema | None) -> dict[str, Any]:
    """Return all that the rule for labels goes by, but for the text."""
    options = _options(conversation, schema)
    return {
        "options": options,
        "shots": _shots(conversation),
        "opinions": bool(OPINION.search(conversation.instruction)),
        "hints": label_hints(conversation.instruction, tuple(options)),
    }


def _plausible_errors(conversation: Conversation, rule: str, schema: Schema | None) -> list[str]:
    instruction, query = conversation.instruction, conversation.query
    match rule:
        case "masking":
            return masking_errors(query.text, instruction=instruction, shots=_shots(conversation))
        case "extraction":
            keys = _keys(conversation, schema)
            return extraction_errors(query.text, keys, shots=_shots(conversation))
        case "an answer":
            return rank_answers(query.text, query.question, shots=_question_shots(conversation))
        case _:
            return []


def _worded(conversation: Conversation, rule: str, schema: Schema | None, answer: str) -> str:
    if schema:
        return constrain(answer, schema)
    wording = marked(conversation.instruction, rule)
    return wording(answer) if wording else answer


def _keys(conversation: Conversation, schema: Schema | None) -> list[KeyRule]:
    return key_rules(conversation.instruction, schema=schema, shots=_shots(conversation))


def _shots(conversation: Conversation) -> list[tuple[str, str]]:
    return [(shot.text, output) for shot, output in conversation.shots]


def _question_shots(conversation: Conversation) -> list[tuple[str, str, str]]:
    return [(shot.text, shot.question, output) for shot, output in conversation.shots]


def _options(conversation: Conversation, schema: Schema | None) -> list[str]:
    if schema and schema.get("enum"):
        return list(schema["enum"])
    shown = {output for _, output in conversation.shots}
    return (named_options(conversation.instruction) or sorted(shown))[:MOST_OPTIONS]
