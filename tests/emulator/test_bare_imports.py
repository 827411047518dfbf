"""Modules that are imported without the packages around them, by several threads at once."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emulator.bare_imports import import_bare

CALLERS = 8


def test_threads_that_import_at_once_get_the_module_and_none_of_them_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answers of a tuned model were 500s, and so asked twice, on a busy machine."""
    package = tmp_path / "costly_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('this is the package itself')")
    (package / "part.py").write_text("import callers\ncallers.all_have_begun.wait()\n")
    callers: Any = ModuleType("callers")
    callers.all_have_begun, begun = threading.Event(), []
    monkeypatch.setitem(sys.modules, "callers", callers)
    monkeypatch.syspath_prepend(str(tmp_path))

    def name_of_import(number: int) -> str:
        begun.append(number)
        if len(begun) == CALLERS:
            callers.all_have_begun.set()
        [module] = import_bare(["costly_package.part"], packages=["costly_package"])
        return module.__name__

    with ThreadPoolExecutor(CALLERS) as threads:
        names = list(threads.map(name_of_import, range(CALLERS)))

    assert names == ["costly_package.part"] * CALLERS
    assert "costly_package" not in sys.modules
