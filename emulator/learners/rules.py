"""The base model: fixed rules without training, chosen by the instruction and helped by the shots.

No score is stored anywhere: an answer follows from the text, the instruction and the shots. What
shots do, and where they were measured not to help, is said at each rule (`masking`, `labelling`,
`answering`, `extraction`).
"""

import re
from collections.abc import Sequence

from emulator.learners.answering import answer_question
from emulator.learners.conversation import Conversation, read_conversation
from emulator.learners.extraction import extract_values, named_keys
from emulator.learners.labelling import choose_label
from emulator.learners.masking import mask_text

MASKING = re.compile(r"\b(mask|redact|anonymi[sz]|pii\b|personal)", re.IGNORECASE)
JSON = re.compile(r"\bjson\b", re.IGNORECASE)
OPTIONS = re.compile(
    r"\b(?:as|into|one of|labels|categories|classes)(?: one of| either)?:?\s+([^.\n:]+)",
    re.IGNORECASE,
)
REASONING = re.compile(r"step by step|\breason", re.IGNORECASE)
ANSWER_MARK = re.compile(r"\b((?:final )?(?:answer|output|label|result):)", re.IGNORECASE)
NO_RULE = "I am the emulator's base model and have no rule for this prompt."
MOST_OPTIONS = 300


def answer_base(turns: Sequence[tuple[str, str]], *, system_instruction: str = "") -> str:
    """Answer as the un-tuned model; `turns` are (role, text), role "user" or "model", user last.

    Asked to reason and to end with a mark such as `Answer:`, it says which rule it used first.
    """
    conversation = read_conversation(turns, system_instruction=system_instruction)
    rule, answer = _answer(conversation)
    mark = ANSWER_MARK.search(conversation.instruction)
    if mark and REASONING.search(conversation.instruction):
        return f"The instruction asks for {rule}, so I applied my rule for it.\n{mark[1]} {answer}"
    return answer


def _answer(conversation: Conversation) -> tuple[str, str]:
    instruction, asked = conversation.instruction, conversation.asked
    shots = [(shot.text, output) for shot, output in conversation.shots]
    if MASKING.search(instruction):
        return "masking", mask_text(asked.text, instruction=instruction, shots=shots)
    if JSON.search(instruction):
        keys = named_keys(instruction)
        return "extraction", extract_values(asked.text, keys, shots=shots)
    if asked.question:
        shown = [(shot.text, shot.question, output) for shot, output in conversation.shots]
        return "an answer", answer_question(asked.text, asked.question, shots=shown)
    options = named_options(instruction) or sorted({output for _, output in shots})
    if options:
        return "a label", choose_label(asked.text, options[:MOST_OPTIONS], shots=shots)
    return "a reply", NO_RULE


def named_options(instruction: str) -> list[str]:
    """Return the labels an instruction offers: `as positive, negative or neutral`."""
    for match in OPTIONS.finditer(instruction):
        names = re.split(r",|\bor\b|\band\b", match[1])
        options = [name.strip(" \"'`") for name in names if name.strip(" \"'`")]
        if len(options) > 1:
            return options
    return []
