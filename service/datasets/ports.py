"""What preparing a dataset asks of its neighbours."""

from collections.abc import Callable, Sequence

# Asks the provider how many tokens each of some texts has.
CountTokens = Callable[[Sequence[str]], Sequence[int]]
