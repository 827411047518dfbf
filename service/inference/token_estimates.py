"""Estimates of the tokens of a call: from its characters, corrected by the calls before it."""

import math

from service.inference.ports import Generation, GenerationRequest, Outcome
from service.tokens import tokens_in

# Of the first calls. Too much only delays their start or holds budget until they are answered;
# too little would let a run exceed its budget.
FIRST_OUTPUT_TOKENS = 256
_PRIOR_CALLS = 3.0
_FADE = 0.99  # weight of older calls: about the last hundred count


def prompt_tokens(request: GenerationRequest) -> int:
    """Return about how many tokens the prompt has, before any correction."""
    return tokens_in(sum(map(len, request.texts)))


class TokenEstimates:
    """The estimates of one run; they adapt to its language and to the model's tokenizer."""

    def __init__(self) -> None:
        self._estimated = self._actual = 0.0
        self._calls, self._output = _PRIOR_CALLS, _PRIOR_CALLS * FIRST_OUTPUT_TOKENS

    def of(self, request: GenerationRequest) -> int:
        """Return the tokens that a call is expected to take of a quota: prompt and output."""
        ratio = self._actual / self._estimated if self._estimated else 1.0
        output = min(float(request.max_output_tokens), self._output / self._calls)
        return math.ceil(prompt_tokens(request) * ratio + output)

    def observe(self, request: GenerationRequest, generation: Generation) -> None:
        """Record the tokens that an answered call took."""
        if generation.outcome is Outcome.FAILED or not generation.prompt_tokens:
            return
        self._estimated = _FADE * self._estimated + prompt_tokens(request)
        self._actual = _FADE * self._actual + generation.prompt_tokens
        self._calls = _FADE * self._calls + 1
        self._output = _FADE * self._output + generation.output_tokens
