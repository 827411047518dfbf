"""Where the answer stands after reasoning: behind the mark that the prompt asks for. Pure."""

import re

from service.evaluation.prompts import ANSWER_MARK

# Also in the languages into which models translate it with the task.
_BEFORE = (
    "so|thus|hence|therefore|the|my|final|correct|also|daher|la|le|il|die|o|a|por lo tanto|donc|"
    "最终|最終|최종|所以|因此|câu"
)
_WORDS = (
    "answer|antwort|antwoord|réponse|respuesta|resposta|risposta|răspuns|svar|svör|vastaus|vastus|"
    "cevap|yan\u0131t|cavab|javob|жауап|odpowiedź|odpověď|odpoveď|odgovor|одговор|отговор|ответ|"
    "відповідь|адказ|atsakymas|atbilde|válasz|απάντηση|përgjigja|პასუხი|պատասխան|jawaban|jawapan|"
    "trả lời|sagot|jibu|erantzuna|答案|回答|答え|正解|答|정답|답변|답|الإجابة|الجواب|جواب|"
    "پاسخ|תשובה|उत्तर|जवाब|উত্তর|જવાબ|ਜਵਾਬ|பதில்|సమాధానం|ಉತ್ತರ|ഉത്തരം|පිළිතුර|คำตอบ|ຄຳຕອບ|ចម្លើយ|အဖြေ"
)
_MARK = (
    rf"(?:(?:{_BEFORE})[ \t,\uff0c\u3001]*)*(?:{_WORDS})"
    r"(?:[ \t]+(?:is|final|finale|ist|lautet|es|est|é|è|är|er)|是|为|為|は)?"
)
_SPACE = "[*_` \\t\u00a0\u202f\u200b\u200e\u200f\ufeff]*"
_SIGN = r"(?:[:\uff1a]|[ \t\u00a0](?:[-\u2013\u2014=\u2192])(?=\s))"
_ON_ITS_LINE = re.compile(
    # Bullets, numbers, emphasis, symbols; what opens something would hold the answer, too.
    rf"^(?:[^\w\n|(\[{{<\"'\u00ab\u201c]|_)*(?:\d{{1,2}}[.)][ \t*_`]*)?{_MARK}{_SPACE}"
    rf"(?:{_SIGN}[*_`]*|[ \t]*$)",
    re.IGNORECASE | re.MULTILINE,
)
_AFTER_A_SENTENCE = re.compile(
    rf"(?<=[.!?\u3002\uff01\uff1f])[ \t]*[*_`]*{_MARK}{_SPACE}[:\uff1a][*_`]*", re.IGNORECASE
)
_FENCE = "```"
_BOLD = "**"
EXTRACTION = (
    f"what follows the last line that begins with `{ANSWER_MARK}`, or is nothing but that word, to "
    "the end (case, bold, bullets, `final` and translations of the word aside; a dash, `=` or an "
    "arrow may stand for the colon); where no line does, what follows it after a sentence; without "
    "the mark the answer is unparsable"
)


def marked_answer(text: str) -> str | None:
    """Return what follows the last mark of a text, without bold around; None without a mark."""
    marks = list(_ON_ITS_LINE.finditer(text)) or list(_AFTER_A_SENTENCE.finditer(text))
    if not marks:
        return None
    mark, answer = marks[-1][0], text[marks[-1].end() :].strip()
    if text.count(_FENCE, 0, marks[-1].start()) % 2:  # reasoning and answer stand in one fence
        answer = answer.partition(_FENCE)[0].rstrip()
    for around in (_BOLD, "`"):
        if mark.count(around) % 2:  # it began before the mark
            line, end, rest = answer.partition("\n")
            return line.rstrip().removesuffix(around) + end + rest
    bold = answer.startswith(_BOLD) and answer.find(_BOLD, 2) == len(answer) - 2 > 2  # noqa: PLR2004
    return answer.strip("*").strip() if bold else answer
