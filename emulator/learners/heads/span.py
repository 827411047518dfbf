"""The span head: outputs copied out of the prompt, such as answers found in a context."""

from collections.abc import Iterator, Sequence

from emulator.learners.distributions import AnswerDistribution, Categorical
from emulator.learners.features.passages import PassageReader, common_words
from emulator.learners.heads.ports import Arrays, Meta, Rows
from emulator.learners.history import EpochRecord, Plan
from emulator.learners.layout import ParsedPrompt
from emulator.learners.pointer import LabelledPassage, Pointer
from emulator.learners.tokens import Token, find_words, join_tokens, tokenize, words_of

NULLS = frozenset(("", "null", "[]"))


class SpanHead:
    name = "span"

    def __init__(self, reader: PassageReader | None = None) -> None:
        # A shared reader belongs to the JSON head, which clears it for all its keys at once.
        self._shared = reader is not None
        self._reader = reader or PassageReader(frozenset())
        self._model = Pointer()

    def train(self, rows: Rows, *, validation: Rows, plan: Plan) -> Iterator[EpochRecord]:
        """Yield a record after each pass; rows whose output is not in the source teach nothing."""
        if not self._shared:
            self._reader = PassageReader(common_words([prompt.source for prompt, _ in rows]))
        unseen = self._label(validation)
        self._model = Pointer()
        yield from self._model.train(self._label(rows), validation=unseen, plan=plan)

    def answer_many(self, prompts: Sequence[ParsedPrompt]) -> list[str]:
        answers = [self._answer(prompt) for prompt in prompts]
        self._clear_cache()
        return answers

    def distribution(self, prompt: ParsedPrompt) -> AnswerDistribution:
        """Return the 64 likeliest spans, by the softmax of start, end and length together."""
        tokens = tokenize(prompt.source)
        passage = self._reader.read(prompt.source, prompt.query)
        spans = self._model.likeliest_spans(passage, _sentence_ends(tokens))
        self._clear_cache()
        texts = [_written(tokens, span) for span, _ in spans]
        return Categorical(texts, [score for _, score in spans], mode=texts[0])

    def pack(self, prefix: str, arrays: Arrays) -> Meta:
        return {"common": sorted(self._reader.common)} | self._model.pack(prefix, arrays)

    def unpack(self, meta: Meta, prefix: str, arrays: Arrays) -> None:
        if not self._shared:
            self._reader = PassageReader(frozenset(meta["common"]))
        self._model = Pointer.unpack(prefix, arrays)

    def _answer(self, prompt: ParsedPrompt) -> str:
        tokens = tokenize(prompt.source)
        passage = self._reader.read(prompt.source, prompt.query)
        return _written(tokens, self._model.best_span(passage, _sentence_ends(tokens)))

    def _label(self, rows: Rows) -> list[LabelledPassage]:
        labelled = []
        for prompt, output in rows:
            place = _place(prompt.source, output)
            if place:
                passage = self._reader.read(prompt.source, prompt.query)
                labelled.append(LabelledPassage(passage, *place))
        self._clear_cache()
        return labelled

    def _clear_cache(self) -> None:
        if not self._shared:
            self._reader.clear()


def _sentence_ends(tokens: Sequence[Token]) -> list[int]:
    return [at for at, token in enumerate(tokens, start=1) if token.word in ".!?"]


def _written(tokens: Sequence[Token], span: tuple[int, int]) -> str:
    first, last = span
    return join_tokens(tokens[first - 1 : last]) if first else ""


def _place(source: str, output: str) -> tuple[int, int] | None:
    """Return first and last token of the output, counted from 1, (0, 0) for no answer."""
    if output in NULLS:
        return 0, 0
    found = find_words(words_of(source), words_of(output))
    return (found[0] + 1, found[1] + 1) if found else None
