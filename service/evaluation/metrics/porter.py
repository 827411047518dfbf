"""NLTK's Porter stemmer without the rest of NLTK, which costs a process 1.4 s and 172 MiB."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.machinery import PathFinder
from types import ModuleType

_PACKAGES = ("nltk", "nltk.stem")
_ONE_AT_A_TIME = threading.Lock()


def stem(word: str) -> str:
    """Return a word's stem as `rouge_score` computes it: Porter (1980) with NLTK's extensions."""
    return _stemmer()(word)


@cache
def _stemmer() -> Callable[[str], str]:
    try:
        with _ONE_AT_A_TIME, _empty_packages():
            from nltk.stem.porter import PorterStemmer
    except ImportError:  # a release whose module needs more: slower, and still right
        from nltk.stem.porter import PorterStemmer

    found: Callable[[str], str] = PorterStemmer().stem
    return found


@contextmanager
def _empty_packages() -> Iterator[None]:
    """Let single modules of NLTK be imported alone, unless all of it is there already."""
    if _PACKAGES[0] in sys.modules:
        yield
        return
    path = None
    for name in _PACKAGES:
        spec = PathFinder.find_spec(name, path)
        path = list(spec.submodule_search_locations or ()) if spec else []
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = path
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == _PACKAGES[0]]:
            del sys.modules[name]
