"""What is installed is what was chosen: exact versions, with the hashes of their files."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, text_of

PIN = re.compile(r"([\w.-]+)(?:\[[\w, -]+\])?==(\S+)")
HASHED = ("core", "dev", "bench", "build", "generators")


def _pins(name: str) -> list[str]:
    """Return each pin of a file with the lines of its hashes."""
    return re.split(r"\n(?=\S)", text_of(Path(f"requirements/{name}.txt")).strip())


def _versions(name: str) -> dict[str, str]:
    return dict(PIN.findall("\n".join(_pins(name))))


HASH = re.compile(r" +--hash=sha256:[0-9a-f]{64}( \\)?")
FILES = [*HASHED, "local"]


@pytest.mark.parametrize("name", FILES)
def test_requirements_are_pins_and_nothing_else(name: str) -> None:
    lines = text_of(Path(f"requirements/{name}.txt")).splitlines()

    assert [line for line in lines if not PIN.match(line) and not HASH.fullmatch(line)] == []


@pytest.mark.parametrize("name", HASHED)
def test_every_pin_is_exact_and_has_hashes(name: str) -> None:
    pins = _pins(name)

    assert len(pins) > 3
    assert [pin for pin in pins if not PIN.match(pin)] == []
    assert [pin for pin in pins if "--hash=sha256:" not in pin] == []


@pytest.mark.parametrize("name", FILES)
def test_no_file_of_pins_says_where_to_install_from(name: str) -> None:
    assert "://" not in text_of(Path(f"requirements/{name}.txt"))


@pytest.mark.parametrize("project", ["pyproject.toml", "tunecurve/pyproject.toml"])
def test_the_build_backend_is_the_pinned_one(project: str) -> None:
    (required,) = tomllib.loads(text_of(Path(project)))["build-system"]["requires"]

    assert required == f"hatchling=={_versions('build')['hatchling']}"
    assert text_of(Path("requirements/build.in")).split() == [required]


def test_the_files_of_pins_agree() -> None:
    core, dev = _versions("core"), _versions("dev")

    assert core.items() <= dev.items()
    assert dev.items() <= _versions("bench").items()
    local = _versions("local")
    assert {name: local[name] for name in core.keys() & local.keys()}.items() <= core.items()
    assert not [name for name in local if name.startswith(("cuda", "nvidia", "triton"))]


def test_all_that_installs_checks_hashes_but_pytorch_whose_builds_differ() -> None:
    makefile, dockerfile = text_of(Path("Makefile")), text_of(Path("Dockerfile"))
    installs = re.findall(r"install .*-r requirements/\w+\.txt", makefile + dockerfile)

    assert "PINNED := --quiet --no-deps --require-hashes\n" in makefile
    local = [each for each in installs if each.endswith("/local.txt")]
    installs = [each for each in installs if each not in local]
    assert local == ["install --quiet -r requirements/local.txt"]
    assert len(installs) == 7
    assert all("$(PINNED)" in each or "--require-hashes" in each for each in installs)
    assert "--no-build-isolation" in makefile
    assert "--no-build-isolation" in dockerfile


def test_the_bill_of_materials_names_every_package_with_hash_and_licence() -> None:
    subprocess.run([sys.executable, ROOT / ".ci" / "sbom.py"], check=True)
    bom = json.loads((ROOT / "out" / "sbom.json").read_text())
    named = {each["name"]: each for each in bom["components"]}

    assert bom["bomFormat"] == "CycloneDX"
    assert {"fastapi", "celery", "sqlalchemy", "psycopg"} <= named.keys()
    assert all(each["hashes"] for each in named.values())
    licences = {name: each["licenses"][0]["license"]["name"] for name, each in named.items()}
    assert [name for name, licence in licences.items() if licence == "not stated"] == []
