"""Where the answer stands after reasoning: behind the mark that the prompt asks for. Pure."""

import re

from service.evaluation.prompting.prompts import ANSWER_MARK

# Also in the languages into which models translate it with the task.
_MARK = (
    r"(?:(?:the|my|final|correct|la|le|il|die|o|a|最终|最終|최종)[ \t]*)*"
    "(?:answer|antwort|antwoord|réponse|respuesta|resposta|risposta|răspuns|svar|vastaus|cevap|"
    "yan\u0131t|odpowiedź|odpověď|odpoveď|válasz|ответ|відповідь|απάντηση|jawaban|đáp án|答案|回答|"
    "答え|正解|答|정답|답변|답|الإجابة|الجواب|תשובה|उत्तर|คำตอบ)(?:[ \t]+(?:is|final|finale))?"
)
_SPACE = r"[*_` \t\u00a0\u202f]*"
_ON_ITS_LINE = re.compile(
    rf"^[ \t>*_#`\-\u2022]*{_MARK}{_SPACE}(?:[:\uff1a][*_`]*|[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_AFTER_A_SENTENCE = re.compile(
    rf"(?<=[.!?\u3002\uff01\uff1f])[ \t]*[*_`]*{_MARK}{_SPACE}[:\uff1a][*_`]*", re.IGNORECASE
)
_BOLD = "**"
EXTRACTION = (
    f"what follows the last line that begins with `{ANSWER_MARK}`, or is nothing but that word, to "
    "the end (case, bold, `final` and translations of the word aside); where no line does, what "
    "follows it after a sentence; without the mark the answer is unparsable"
)


def marked_answer(text: str) -> str | None:
    """Return what follows the last mark of a text, without bold around; None without a mark."""
    marks = list(_ON_ITS_LINE.finditer(text)) or list(_AFTER_A_SENTENCE.finditer(text))
    if not marks:
        return None
    mark, answer = marks[-1][0], text[marks[-1].end() :].strip()
    if mark.count(_BOLD) % 2:  # bold that began before the mark
        line, end, rest = answer.partition("\n")
        return line.rstrip().removesuffix(_BOLD) + end + rest
    bold = answer.startswith(_BOLD) and answer.find(_BOLD, 2) == len(answer) - 2 > 2  # noqa: PLR2004
    return answer.strip("*").strip() if bold else answer
