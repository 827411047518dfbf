"""Imports of single modules without the costly `__init__` of the packages around them."""

import importlib
import importlib.util
import sys
import threading
from collections.abc import Sequence
from types import ModuleType

# A thread that saw another's shells took them for the package, and lost it while it imported.
_ONE_AT_A_TIME = threading.Lock()


def import_bare(
    names: Sequence[str], *, packages: Sequence[str], keep: bool = False
) -> list[ModuleType]:
    """Return the modules, imported with empty shells in the place of `packages`, outermost first.

    With `keep` the shells stay, for modules that import each other later: then nothing else in this
    process may use the package. Falls back to plain imports when the shells fail.
    """
    with _ONE_AT_A_TIME:
        return _import_bare(names, packages, keep=keep)


def _import_bare(names: Sequence[str], packages: Sequence[str], *, keep: bool) -> list[ModuleType]:
    outermost = packages[0]
    if outermost in sys.modules:
        return [importlib.import_module(name) for name in names]
    try:
        for package in packages:
            _install_shell(package)
        modules = [importlib.import_module(name) for name in names]
    except (ImportError, AttributeError, TypeError, ValueError):
        _remove(outermost)
        return [importlib.import_module(name) for name in names]
    if not keep:
        _remove(outermost)
    return modules


def _install_shell(name: str) -> None:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError(f"no package {name}")
    shell = ModuleType(name)
    shell.__path__ = list(spec.submodule_search_locations)
    sys.modules[name] = shell


def _remove(package: str) -> None:
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{package}.")]:
        del sys.modules[name]
