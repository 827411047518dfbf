"""The base model: fixed rules without training, chosen by the instruction and helped by the shots.

No score is stored anywhere: an answer follows from the text, the instruction and the shots. What
shots do, and where they were measured not to help, is said at each rule (`masking`, `labelling`,
`answering`, `extraction`).
"""

import re
from collections.abc import Sequence
from functools import partial
from math import log

from emulator.learners.distributions import AnswerDistribution, Categorical
from emulator.learners.rules.classification import choose_label, label_distribution
from emulator.learners.rules.conversation import Conversation, read_conversation
from emulator.learners.rules.extraction import extract_values, extraction_errors, named_keys
from emulator.learners.rules.masking import mask_text, masking_errors
from emulator.learners.rules.question_answering import answer_question, rank_answers

MASKING = re.compile(r"\b(mask|redact|anonymi[sz]|pii\b|personal)", re.IGNORECASE)
JSON = re.compile(r"\bjson\b", re.IGNORECASE)
OPINION = re.compile(r"\b(?:sentiment|opinion|tone|mood|polarity)", re.IGNORECASE)
OPTIONS = re.compile(
    r"\b(?:as|into|one of|labels|categories|classes)(?: one of| either)?:?\s+([^.\n:]+)",
    re.IGNORECASE,
)
REASONING = re.compile(r"step by step|\breason", re.IGNORECASE)
ANSWER_MARK = re.compile(r"\b((?:final )?(?:answer|output|label|result):)", re.IGNORECASE)
NO_RULE = "I am the emulator's base model and have no rule for this prompt."
MOST_OPTIONS = 300
SURE = 0.8


def answer_base(turns: Sequence[tuple[str, str]], *, system_instruction: str = "") -> str:
    """Answer as the un-tuned model; `turns` are (role, text), role "user" or "model", user last.

    Instructed to reason and to end with a mark such as `Answer:`, it says which rule it used first.
    """
    conversation = read_conversation(turns, system_instruction=system_instruction)
    rule = _rule(conversation)
    return _worded(conversation, rule, _answer(conversation, rule))


def base_distribution(
    turns: Sequence[tuple[str, str]], *, system_instruction: str = ""
) -> AnswerDistribution:
    """Return the distribution that the un-tuned model is sampled from.

    A label is drawn by the rule's scores. Any other rule gives its answer 4 times in 5 and else one
    plausible error, all equally likely: a finding left unmasked, another phrase of the sentence, a
    missed value. This model of noise is invented and says nothing about any real model.
    """
    conversation = read_conversation(turns, system_instruction=system_instruction)
    rule = _rule(conversation)
    return _distribution(conversation, rule).map(partial(_worded, conversation, rule))


def _rule(conversation: Conversation) -> str:
    if MASKING.search(conversation.instruction):
        return "masking"
    if JSON.search(conversation.instruction):
        return "extraction"
    if conversation.query.question:
        return "an answer"
    return "a label" if _options(conversation) else "a reply"


def _answer(conversation: Conversation, rule: str) -> str:
    instruction, query = conversation.instruction, conversation.query
    match rule:
        case "masking":
            return mask_text(query.text, instruction=instruction, shots=_shots(conversation))
        case "extraction":
            keys = named_keys(instruction)
            return extract_values(query.text, keys, shots=_shots(conversation))
        case "an answer":
            return answer_question(query.text, query.question, shots=_question_shots(conversation))
        case "a label":
            options = _options(conversation)
            shots, opinions = _shots(conversation), bool(OPINION.search(instruction))
            return choose_label(query.text, options, shots=shots, opinions=opinions)
        case _:
            return NO_RULE


def _distribution(conversation: Conversation, rule: str) -> AnswerDistribution:
    query, shots = conversation.query, _shots(conversation)
    if rule == "a label":
        opinions = bool(OPINION.search(conversation.instruction))
        return label_distribution(
            query.text, _options(conversation), shots=shots, opinions=opinions
        )
    answer = _answer(conversation, rule)
    others = [
        error for error in dict.fromkeys(_plausible_errors(conversation, rule)) if error != answer
    ]
    shares = [SURE, *[(1 - SURE) / max(1, len(others))] * len(others)]
    return Categorical([answer, *others], [log(share) for share in shares], mode=answer)


def _plausible_errors(conversation: Conversation, rule: str) -> list[str]:
    instruction, query = conversation.instruction, conversation.query
    match rule:
        case "masking":
            return masking_errors(query.text, instruction=instruction, shots=_shots(conversation))
        case "extraction":
            keys = named_keys(instruction)
            return extraction_errors(query.text, keys, shots=_shots(conversation))
        case "an answer":
            return rank_answers(query.text, query.question, shots=_question_shots(conversation))
        case _:
            return []


def _worded(conversation: Conversation, rule: str, answer: str) -> str:
    mark = ANSWER_MARK.search(conversation.instruction)
    if mark and REASONING.search(conversation.instruction):
        return f"The instruction asks for {rule}, so I applied my rule for it.\n{mark[1]} {answer}"
    return answer


def _shots(conversation: Conversation) -> list[tuple[str, str]]:
    return [(shot.text, output) for shot, output in conversation.shots]


def _question_shots(conversation: Conversation) -> list[tuple[str, str, str]]:
    return [(shot.text, shot.question, output) for shot, output in conversation.shots]


def _options(conversation: Conversation) -> list[str]:
    shown = {output for _, output in conversation.shots}
    return (named_options(conversation.instruction) or sorted(shown))[:MOST_OPTIONS]


def named_options(instruction: str) -> list[str]:
    """Return the labels an instruction offers: `as positive, negative or neutral`."""
    for match in OPTIONS.finditer(instruction):
        names = re.split(r",|\bor\b|\band\b", match[1])
        options = [name.strip(" \"'`") for name in names if name.strip(" \"'`")]
        if len(options) > 1:
            return options
    return []
