"""The edit head: outputs that are edited prompts, such as masked texts; one tag per token."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from emulator.learners.alignment import KEEP, apply_tags, best_path, edit_tags
from emulator.learners.chain import Chain
from emulator.learners.distributions import AnswerDistribution
from emulator.learners.features.hashes import Columns
from emulator.learners.features.tokens import kinds_of, token_columns, token_matrix
from emulator.learners.heads.ports import Arrays, Floats, Meta, Rows
from emulator.learners.history import EpochRecord, Plan
from emulator.learners.layout import ParsedPrompt
from emulator.learners.rules.masking import UNSURE, label_of
from emulator.learners.rules.patterns import MASKED
from emulator.learners.softmax import Ints, Prior, SoftmaxRegression, Steps, fit_prior
from emulator.learners.tokens import Token, tokenize

STEP, DECAY = 0.2, 1e-6
# Weights are features x tags: a rewriting task with a phrase per row must not fill the memory.
MOST_TAGS = 200
# From so many rows on, a phrase seen once is noise rather than a rule.
ROWS_TO_DROP_SINGLES = 100
TRANSITION_WEIGHT = 0.5
TRANSITION_PRIOR = 0.05
# What the rules may find a token to be; "" is nothing.
KINDS = {kind: at for at, kind in enumerate(dict.fromkeys(["", *(kind for kind, _ in MASKED)]))}


class _Seen(NamedTuple):
    """Texts as tokens, and of all their tokens the features and the rules' findings."""

    texts: list[list[Token]]
    columns: Columns
    guesses: Ints


class EditHead:
    """Starts from the un-tuned rules: of what their findings became in training, then the words."""

    name = "edit"

    def __init__(self) -> None:
        self._model = SoftmaxRegression([KEEP], step=STEP, decay=DECAY)
        self._transitions: Floats = np.zeros((1, 1), np.float32)
        self._prior: Floats = np.zeros((len(KINDS), 1), np.float32)

    def train(self, rows: Rows, *, validation: Rows, plan: Plan) -> Iterator[EpochRecord]:
        """Yield a record after each pass over all tokens of the rows."""
        tags = _training_tags(rows)
        classes = sorted(set(tags)) or [KEEP]
        self._model = SoftmaxRegression(classes, step=STEP, decay=DECAY)
        seen, truth = _see(_sources(rows)), _numbers(tags, classes)
        self._prior = fit_prior(seen.guesses, truth, rule=_rule(classes))
        self._transitions = _transitions(truth, len(classes))
        steps = Steps(token_matrix(seen.columns), truth, Prior(self._prior, seen.guesses))
        unseen = self._steps(validation) if validation else None
        yield from self._model.train(steps, validation=unseen, plan=plan)

    def answer_many(self, prompts: Sequence[ParsedPrompt]) -> list[str]:
        seen = _see([prompt.source for prompt in prompts])
        scores = self._scores(seen)
        ends = np.cumsum([len(tokens) for tokens in seen.texts])
        answers = []
        for tokens, end in zip(seen.texts, ends, strict=True):
            path = best_path(scores[end - len(tokens) : end], self._transitions)
            answers.append(apply_tags(tokens, [self._model.classes[tag] for tag in path]))
        return answers

    def distribution(self, prompt: ParsedPrompt) -> AnswerDistribution:
        """Return the chain of tags: softmax per token, weighed with learned transitions."""
        seen = _see([prompt.source])
        return Chain(seen.texts[0], self._model.classes, self._scores(seen), self._transitions)

    def pack(self, prefix: str, arrays: Arrays) -> Meta:
        arrays[prefix + "transitions"] = self._transitions
        arrays[prefix + "belief"] = self._prior
        return self._model.pack(prefix, arrays)

    def unpack(self, meta: Meta, prefix: str, arrays: Arrays) -> None:
        self._model = SoftmaxRegression.unpack(meta, prefix, arrays)
        self._transitions = arrays[prefix + "transitions"]
        self._prior = arrays[prefix + "belief"]

    def _scores(self, seen: _Seen) -> Floats:
        prior = Prior(self._prior, seen.guesses)
        return self._model.scores(token_matrix(seen.columns), prior=prior)

    def _steps(self, rows: Rows) -> Steps:
        seen, truth = _see(_sources(rows)), _numbers(_tags(rows), self._model.classes)
        return Steps(token_matrix(seen.columns), truth, Prior(self._prior, seen.guesses))


def _see(sources: Sequence[str]) -> _Seen:
    texts = [tokenize(source) for source in sources]
    kinds = [kinds_of(*pair) for pair in zip(texts, sources, strict=True)]
    guesses = np.array([KINDS[kind] for text in kinds for kind in text], np.int64)
    return _Seen(texts, token_columns(texts, kinds), guesses)


def _sources(rows: Rows) -> list[str]:
    return [prompt.source for prompt, _ in rows]


def _rule(classes: Sequence[str]) -> Ints:
    """Return kind x class: what the rules make of a finding, where training has such a tag."""
    rule = np.zeros((len(KINDS), len(classes)), np.int64)
    names = {tag[1:-1]: at for at, tag in enumerate(classes) if tag.startswith("[")}
    kept = classes.index(KEEP) if KEEP in classes else None
    for kind, at in KINDS.items():
        name = label_of(kind, names)
        if name is not None:
            rule[at, names[name]] = 1
        elif kept is not None and (not kind or kind in UNSURE):
            rule[at, kept] = 1
    return rule


def _tags(rows: Rows) -> list[str]:
    tags: list[str] = []
    for prompt, output in rows:
        tags += edit_tags(tokenize(prompt.source), tokenize(output))
    return tags


def _training_tags(rows: Rows) -> list[str]:
    tags = _tags(rows)
    fewest = 2 if len(rows) >= ROWS_TO_DROP_SINGLES else 1
    common = Counter(tags).most_common(MOST_TAGS)
    kept = {tag for tag, seen in common if seen >= fewest}
    return [tag if tag in kept else KEEP for tag in tags]


def _numbers(tags: Sequence[str], classes: Sequence[str]) -> Ints:
    number = {name: at for at, name in enumerate(classes)}
    return np.array([number.get(tag, -1) for tag in tags], np.int64)


def _transitions(truth: Ints, classes: int) -> Floats:
    """Return how much likelier a tag is after another than anywhere, in weighted logs."""
    pairs = np.full((classes, classes), TRANSITION_PRIOR)
    np.add.at(pairs, (truth[:-1], truth[1:]), 1)
    after = pairs / pairs.sum(axis=1, keepdims=True)
    anywhere = pairs.sum(axis=0) / pairs.sum()
    return np.asarray(TRANSITION_WEIGHT * np.log(after / anywhere), np.float32)
