"""The rules about single rows, as expressions over a batch of converted rows."""

from dataclasses import dataclass

import polars as pl

from service.datasets.examples import MISSING_VALUES, user_turn
from service.datasets.row_faults import Level
from service.datasets.validation.token_counts import BYTES_PER_TOKEN


@dataclass(frozen=True, slots=True)
class RowRule:
    """`broken` is true for the rows of a batch of examples that break the rule.

    `message` is about one row and says how to mend it; it never holds content.
    """

    id: str
    level: Level
    field: str
    message: str
    broken: pl.Expr


_TEXT, _TARGET, _SYSTEM = pl.col("text"), pl.col("target"), pl.col("system")
_REJECTED, _HISTORY = pl.col("rejected"), pl.col("history")
_CONTROL = r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
# Joiners are part of words in Persian and Indic scripts and of emoji, not beside Latin letters.
# Thai, Lao, Burmese and Khmer may have a space of no width between words.
_INVISIBLE = (
    r"[\u{2060}\u{00ad}]|[A-Za-z][\u{200c}\u{200d}]"
    r"|(?:^|[^\u{e00}-\u{eff}\u{1000}-\u{109f}\u{1780}-\u{17ff}])\u{200b}"
)
_DIRECTION = r"[\u{202a}-\u{202e}\u{2066}-\u{2069}]"
_MOJIBAKE = (
    r"Ã[\u{80}-\u{bf}]|â€[\u{2122}\u{153}\u{9d}\u{201c}\u{201d}\u{2dc}¦]|ï¿½|Â[\u{a0}-\u{bf}]"
    r"|(?:[ÐÑ][^A-Za-zÀ-ÿ\s]){3}"  # of Cyrillic
    r"|[\u{430}-\u{44f}][\u{410}-\u{42f}]{4}"  # KOI8 has the other cases
)
_MARKUP = (
    r"</?(?:tool_call|tool_response|function_call)>|\[TOOL_CALLS\]|<\|python_tag\|>|"
    r"<\|?(?:im_start|im_end|start_of_turn|end_of_turn|endoftext|eot_id)\|?>|\[/?INST\]"
    r"|<\|(?:channel|message|start_header_id|end_header_id|begin_of_text|end_of_text)\|>"
)
_THOUGHT = r"(?i)^\s*<(?:think|thinking|thought|thoughts|reasoning|scratchpad)>|</think(?:ing)?>"
_ENTITY = r"&(?:amp|lt|gt|quot|nbsp|apos|#\d{1,6}|#x[0-9a-fA-F]{1,6});"
_EMPTY_SLOT = r"\{\{\s*\w+\s*\}\}"
# `#N/A`, `#REF!`, `#NOM?`, `#¡VALOR!`: what spreadsheets write in a cell that they cannot compute.
_SPREADSHEET_ERROR = r"^(?:Text: )?#(?:N/A|N/D|NV|[\u{a1}\u{bf}]?[\p{Lu}/0]{3,12}[!?])$"
_NOTHING = r"^[\s\u{200b}-\u{200f}\u{2060}\u{feff}\u{00ad}]+$"
_JSON_LIKE = r"^\s*(?:\{.*|\[\s*[\[{\x22\]].*)"
_MESSAGES = r"^(?:Text: )?\s*[\[{]\s*(?:\{\s*)?\x22(?:role|content|parts|from)\x22\s*:"
_LIST = r"^(?:Text: |Context: )?\s*\[\s*\x22|^(?:Text|Context): \s*\{\s*\x22"
_MISSING = rf"^(?:Text: )?(?:{MISSING_VALUES})$"
LONG_TARGET_TOKENS = 1024  # the default `max_output_tokens` of an evaluation


# Most rows have none of these; only the others are checked by the character rules.
_UNUSUAL = (
    rf"[\x00\u{{feff}}\u{{fffd}}]|{_CONTROL}|{_INVISIBLE}|{_DIRECTION}|{_MOJIBAKE}|{_MARKUP}|"
    rf"{_ENTITY}|{_EMPTY_SLOT}|{_SPREADSHEET_ERROR}"
)


def _either(pattern: str) -> pl.Expr:
    return _TEXT.str.contains(pattern) | _TARGET.str.contains(pattern)


def tokens_of(*columns: pl.Expr) -> pl.Expr:
    """Return about how many tokens columns hold together, before any calibration."""
    return (pl.sum_horizontal(each.str.len_bytes() for each in columns) / BYTES_PER_TOKEN).ceil()


def has_unusual_characters() -> pl.Expr:
    """Return whether a row holds anything that the rules about characters look for."""
    return _either(_UNUSUAL) | _has_nul("references") | _has_nul("rejected")


def _has_nul(column: str) -> pl.Expr:
    said = pl.col(column).list.join("") if column == "references" else pl.col(column)
    return said.str.contains(r"\x00")


def _error(rule: str, field: str, broken: pl.Expr, message: str) -> RowRule:
    return RowRule(rule, Level.ERROR, field, message, broken)


def _warning(rule: str, field: str, broken: pl.Expr, message: str) -> RowRule:
    return RowRule(rule, Level.WARNING, field, message, broken)


ROW_RULES = (
    _error(
        "row_without_target", "target", _TARGET == "", "the row has no target to learn; fill it"
    ),
    _error("row_without_text", "text", _TEXT == "", "the row has no text to answer; fill it"),
    _error(
        "blank_target",
        "target",
        _TARGET.str.contains(_NOTHING),
        "the target is invisible characters only; fill it or leave the row out",
    ),
    _error(
        "blank_text",
        "text",
        _TEXT.str.contains(_NOTHING),
        "the text is invisible characters only; fill it or leave the row out",
    ),
    _warning(
        "target_is_text",
        "target",
        (_TEXT == _TARGET) & (_TARGET != ""),
        "the target repeats the text: there is nothing to learn",
    ),
    _warning(
        "target_with_role",
        "target",
        _TARGET.str.contains(r"(?i)^(?:model|assistant|answer|output|response)\s*:\s"),
        "the target begins with a role's name, which the model would learn to say",
    ),
    _warning(
        "thought_in_target",
        "target",
        _TARGET.str.contains(_THOUGHT) | _HISTORY.str.contains(_THOUGHT),
        "an answer holds a model's thoughts in a tag, which would be taught; take them out",
    ),
    _warning(
        "messages_as_text",
        "text",
        _either(_MESSAGES),
        "the row holds chat messages as JSON, whose brackets would be taught; read them by `form`",
    ),
    _warning(
        "list_as_text",
        "text",
        _TEXT.str.contains(_LIST),
        "the text is a JSON list or object, whose brackets would be taught; name a column of text",
    ),
    _warning(
        "missing_value",
        "text",
        _TEXT.str.contains(_MISSING),
        "the text is what tools write for a missing value, such as NaN; leave the row out",
    ),
    _warning(
        "long_target",
        "target",
        tokens_of(_TARGET) > LONG_TARGET_TOKENS,
        f"the target has more than {LONG_TARGET_TOKENS} tokens; raise `max_output_tokens` when "
        "you evaluate, or answers are cut off",
    ),
    _warning(
        "system_in_row",
        "system",
        _SYSTEM.str.len_chars() > pl.col("text").str.len_chars() * 20 + 2000,
        "the system instruction is far longer than the text; it is paid for in every row",
    ),
)
# These are checked only for rows with `has_unusual_characters`.
CHARACTER_RULES = (
    _error(
        "nul_character",
        "text",
        _either(r"\x00") | _has_nul("references") | _has_nul("rejected"),
        "the row holds a NUL character; remove it: no database keeps it",
    ),
    _warning("control_characters", "text", _either(_CONTROL), "the row holds control characters"),
    _warning(
        "replacement_characters",
        "text",
        _either("\ufffd"),
        "the row holds U+FFFD: its bytes were cut or read in a wrong encoding",
    ),
    _warning(
        "wrongly_decoded",
        "text",
        _either(_MOJIBAKE),
        "the row looks like text that was read in a wrong encoding, such as UTF-8 as Latin-1; read "
        "the source in its own",
    ),
    _warning(
        "invisible_characters",
        "text",
        _either(_INVISIBLE),
        "the row holds invisible characters, which a model sees and a reader does not",
    ),
    _warning(
        "direction_characters",
        "text",
        _either(_DIRECTION),
        "the row holds characters that turn the direction of writing; remove them",
    ),
    _warning(
        "byte_order_mark",
        "text",
        _either("\ufeff"),
        "the row holds a byte order mark; files were joined without removing it",
    ),
    _warning("html_entities", "text", _either(_ENTITY), "the row holds HTML entities; decode them"),
    _warning(
        "chat_markup",
        "text",
        _either(_MARKUP),
        "the row holds the markup of a chat template; Gemini reads it as plain text",
    ),
    _warning(
        "empty_slot",
        "text",
        _TEXT.str.contains(_EMPTY_SLOT),
        "the text holds a placeholder in double braces that was never filled in",
    ),
    _warning(
        "spreadsheet_error",
        "text",
        _either(_SPREADSHEET_ERROR),
        "the row holds an error of a spreadsheet, such as #N/A; compute the cell anew",
    ),
)


def json_like(column: pl.Expr) -> pl.Expr:
    """Return whether a text looks like a JSON object, or a list of texts or of those."""
    return column.str.contains(_JSON_LIKE)


def over_token_limit(limit: int, *, instruction: str = "") -> RowRule:
    """Return the rule that a row, with the preset's instruction before its text, must fit into
    what the model reads of one example; of two answers the longer counts.
    """
    room = limit * BYTES_PER_TOKEN - len(user_turn(instruction, "").encode())
    asked = pl.sum_horizontal(each.str.len_bytes() for each in (_TEXT, _SYSTEM, _HISTORY))
    size = asked + pl.max_horizontal(_TARGET.str.len_bytes(), _REJECTED.str.len_bytes())
    message = f"the row has about more than {limit} tokens, which the model cuts off; shorten it"
    return _error("tokens_over_limit", "text", size.cast(pl.Int64) > room, message)


def answer_outside_context(*, lowercase: bool = False, no_answer: str = "") -> RowRule:
    """Return the rule that an answer to be copied must stand in its context.

    `lowercase`: answers are in lower case; `no_answer` is the one that says there is none.
    """
    text = _TEXT.str.to_lowercase() if lowercase else _TEXT
    outside = ~text.str.contains(_TARGET, literal=True) & ~_TARGET.is_in(["", no_answer])
    message = "the answer does not stand in the context word for word"
    return _warning("answer_not_in_context", "target", outside, message)
