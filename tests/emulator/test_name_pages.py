"""Object listing as a pure function: pages together are the whole, whatever their size."""

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from emulator.pages import page_of_names

names = st.sets(st.text(alphabet="ab/é", min_size=1, max_size=6), max_size=20)


def ordered(names: set[str], prefix: str = "") -> Callable[[str], list[str]]:
    """Return what the store gives: the names with a prefix after a name, in order."""
    return lambda after: sorted(name for name in names if name.startswith(prefix) and name > after)


@example(names={"a/", "a/a"}, prefix="a/", limit=1)  # an object whose name is the prefix
@given(names=names, prefix=st.sampled_from(["", "a", "a/"]), limit=st.integers(1, 5))
def test_pages_together_hold_every_name_and_prefix_once(
    names: set[str], prefix: str, limit: int
) -> None:
    whole = page_of_names(
        ordered(names, prefix), prefix=prefix, delimiter="/", token=None, limit=1000
    )
    found_names, found_prefixes, token = [], [], None
    while True:
        page = page_of_names(
            ordered(names, prefix), prefix=prefix, delimiter="/", token=token, limit=limit
        )
        found_names += page.names
        found_prefixes += page.prefixes
        token = page.next_token
        if token is None:
            break
    assert (found_names, found_prefixes) == (whole.names, whole.prefixes)


@given(names=names)
def test_without_a_delimiter_the_names_come_sorted(names: set[str]) -> None:
    page = page_of_names(ordered(names), prefix="", delimiter="", token=None, limit=1000)
    assert page.names == sorted(names)
    assert page.next_token is None
