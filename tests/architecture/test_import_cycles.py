"""No module imports itself by way of others, in any of the packages."""

from pathlib import Path

import grimp
import pytest

PACKAGES = ("api", "emulator", "service", "tunecurve", "workers")


def find_cycle(graph: grimp.ImportGraph) -> tuple[str, ...] | None:
    """Return the modules of a cycle, the first again at its end; None without one."""
    for module in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            back = graph.find_shortest_chain(importer=imported, imported=module)
            if back:
                return (module, *back)
    return None


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_no_import_cycle(package: str) -> None:
    cycle = find_cycle(grimp.build_graph(package, cache_dir=None))

    assert cycle is None, " -> ".join(cycle or ())


def test_a_planted_cycle_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "planted_cycle"
    folder.mkdir()
    for name, line in (("__init__", ""), ("a", "b"), ("b", "c"), ("c", "a")):
        text = f"import planted_cycle.{line}\n" if line else ""
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    cycle = find_cycle(grimp.build_graph("planted_cycle", cache_dir=None))

    names = [f"planted_cycle.{name}" for name in ("a", "b", "c", "a")]
    assert cycle == tuple(names)
