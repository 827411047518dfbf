"""Which sizes fit the rows there are: smaller groups are tried before a spec is refused."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.datasets.cleaning.similarity_index import SimilarityIndex
from service.datasets.examples import Split
from service.datasets.splitting.split_assignment import Sizes, SplitAssignment, assign_rows
from service.errors import Fault, Invalid
from service.text import counted

Rows = NDArray[np.int64]
_STEP = 4  # by which the size of a small group is divided from one trial to the next


@dataclass(frozen=True, slots=True)
class SizeSearch:
    """Assigns the `kept` rows so that the largest of the train sizes is left for training."""

    kept: Rows
    index: SimilarityIndex
    train_sizes: Sequence[int]
    drop_near_duplicates: bool
    train_order: int = 0

    def assign(self, sizes: Sizes) -> SplitAssignment:
        """Assign rows as `assign_rows` does; hold out smaller groups if train sizes need it.

        `moves` is true then: with more rows, larger groups are held out again. Raises Invalid
        `test_size_too_large`, `validation_size_too_large`, `train_size_too_large`, which name the
        largest sizes that fit.
        """
        try:
            found = self._found(sizes)
        except Invalid as error:
            message = f"{error.message}; {self._what_fits(sizes)}"
            faults = [Fault(each.pointer, each.code, message) for each in error.faults]
            raise Invalid(message, code=error.code, faults=faults) from None
        self._check_train_sizes(found, sizes)
        return found

    def _found(self, sizes: Sizes) -> SplitAssignment:
        """Return the first trial that leaves enough rows, or else the one that leaves most."""
        best = self._assign(sizes)
        for trial in _smaller_groups(sizes):
            if self._is_enough(best) or not best.wastes:
                break
            other = self._assign(trial)
            other.moves = True
            best = max(best, other, key=_train_rows)
        return best

    def _assign(self, sizes: Sizes) -> SplitAssignment:
        return assign_rows(
            self.kept,
            self.index,
            sizes=sizes,
            drop_near_duplicates=self.drop_near_duplicates,
            train_order=self.train_order,
        )

    def _is_enough(self, found: SplitAssignment) -> bool:
        return _train_rows(found) >= max(self.train_sizes)

    def _check_train_sizes(self, found: SplitAssignment, sizes: Sizes) -> None:
        left = _train_rows(found)
        if self._is_enough(found):
            return
        message = f"{_left_for_training(found)}; {self._what_fits(sizes, left=left)}"
        faults = [
            Fault(f"/spec/train_sizes/{at}", "train_size_too_large", f"{size}: {message}")
            for at, size in enumerate(self.train_sizes)
            if size > left
        ]
        raise Invalid(message, code="train_size_too_large", faults=faults)

    def _what_fits(self, sizes: Sizes, *, left: int = 0) -> str:
        """Return the largest held-out sizes, each with all others as they are; `left` rows train
        with these.
        """
        test = largest(sizes.test, fits=lambda size: self._fits(replace(sizes, test=size)))
        validation = largest(
            sizes.validation, fits=lambda size: self._fits(replace(sizes, validation=size))
        )
        fitting = {"test_size": test, "validation_size": validation}
        words = [f"a {name} of up to {size}" for name, size in fitting.items() if size]
        if not words:
            return self._largest_training(sizes)
        most = counted(max(self.train_sizes), "row")
        message = f"with {most} for training fits {' or '.join(words)}"
        return message + f", or train_sizes of up to {left} with these other sizes" * bool(left)

    def _largest_training(self, sizes: Sizes) -> str:
        """Return the largest sizes where no held-out size leaves the rows that are to train."""
        held = replace(sizes, test=1, validation=min(1, sizes.validation))
        left = self._left(held)
        if not left:
            return (
                "no row is left for training whatever the sizes: rows of a group stay together, so "
                "name another `group`, or bring rows of more groups"
            )
        test = largest(
            sizes.test + 1, fits=lambda size: self._left(replace(held, test=size)) >= left
        )
        return (
            f"no smaller test_size leaves {counted(max(self.train_sizes), 'row')} for training; "
            f"train_sizes of up to {left} fit with a test_size of up to {test}"
        )

    def _left(self, sizes: Sizes) -> int:
        try:
            return _train_rows(self._found(sizes))
        except Invalid:
            return 0

    def _fits(self, sizes: Sizes) -> bool:
        return self._left(sizes) >= max(self.train_sizes)


def _smaller_groups(sizes: Sizes) -> Iterator[Sizes]:
    small = sizes.small_group // _STEP
    while small:
        yield replace(sizes, small=small)
        small //= _STEP


def _train_rows(found: SplitAssignment) -> int:
    return len(found.splits[Split.TRAIN])


def _left_for_training(found: SplitAssignment) -> str:
    held = " and ".join(
        f"{len(found.splits[split])} for {split.value}" for split in (Split.TEST, Split.VALIDATION)
    )
    left = counted(_train_rows(found), "row is", "rows are")
    return (
        f"{left} left for training, after {held}, what their groups hold beyond that, and near "
        "copies"
    )


def largest(most: int, *, fits: Callable[[int], bool]) -> int:
    """Return a number from 1 to below `most` that fits and whose next does not; 0 without one."""
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
