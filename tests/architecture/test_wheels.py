"""Two wheels come from this repository; the client's works without the server and is small."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

from api.version import VERSION
from tests.architecture.tree import ROOT, SHIPPED, repository_files, text_of

LARGEST_CLIENT_BYTES = 40 * 1024 * 1024
MOST_CLIENT_PACKAGES = 20
NOT_IN_A_WHEEL = {Path("tunecurve", name) for name in ("LICENSE", "README.md", "pyproject.toml")}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = str(tmp_path_factory.mktemp("wheels"))
    built = [
        Path(wheel)
        for project in (ROOT, ROOT / "tunecurve")
        for wheel in WheelBuilder(str(project)).build(directory=folder, versions=["standard"])
    ]
    return {wheel.name.partition("-")[0]: wheel for wheel in built}


@pytest.fixture(scope="module")
def client_alone(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the unpacked client and links to what it depends on."""
    folder = tmp_path_factory.mktemp("client")
    ZipFile(wheels["tunecurve"]).extractall(folder)
    for package in _client_dependencies():
        for file in package.files or ():
            link = folder / file.parts[0]
            if file.parts[0] not in {"..", "__pycache__"} and not link.exists():
                link.symlink_to(Path(str(package.locate_file(file.parts[0]))))
    return folder


def _client_dependencies() -> Iterator[Distribution]:
    """Yield what the client requires, directly and indirectly, as installed here."""
    project = tomllib.loads(text_of(Path("tunecurve/pyproject.toml")))["project"]
    open_requirements, seen = [*project["dependencies"]], set()
    while open_requirements:
        requirement = Requirement(open_requirements.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if applies and name not in seen:
            seen.add(name)
            package = distribution(name)
            open_requirements += package.requires or []
            yield package


def _size_bytes(package: Distribution) -> int:
    files = (Path(str(package.locate_file(file))) for file in package.files or ())
    return sum(file.stat().st_size for file in files if file.is_file())


def _run(folder: Path, program: str) -> "subprocess.CompletedProcess[str]":
    """Run a program that can import the folder and the standard library, and nothing else."""
    program = f"import sys; sys.path.append({str(folder)!r}); {program}"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        cwd=folder,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def _command(*arguments: str) -> str:
    return f"from tunecurve.cli import main; sys.argv[1:] = {list(arguments)!r}; main()"


def test_each_file_of_each_package_is_in_one_wheel(wheels: dict[str, Path]) -> None:
    contents = {name: ZipFile(wheel).namelist() for name, wheel in wheels.items()}
    shipped = sorted(
        str(path)
        for path in repository_files()
        if path.parts[0] in SHIPPED and path not in NOT_IN_A_WHEEL
    )

    packed = sorted(
        file for files in contents.values() for file in files if ".dist-info/" not in file
    )
    assert packed == shipped
    assert [file for file in contents["tunecurve_server"] if file.startswith("tunecurve/")] == []
    for files in contents.values():
        assert any(file.endswith(".dist-info/licenses/LICENSE") for file in files)


def test_the_server_requires_the_client_of_its_version(wheels: dict[str, Path]) -> None:
    metadata = {
        name: ZipFile(wheel).read(f"{name}-{VERSION}.dist-info/METADATA").decode()
        for name, wheel in wheels.items()
    }

    assert f"Requires-Dist: tunecurve=={VERSION}\n" in metadata["tunecurve_server"]
    assert "Requires-Dist: tunecurve" not in metadata["tunecurve"]


def test_the_client_takes_few_packages_and_little_space(wheels: dict[str, Path]) -> None:
    packages = list(_client_dependencies())

    assert len(packages) + 1 <= MOST_CLIENT_PACKAGES
    size = wheels["tunecurve"].stat().st_size + sum(map(_size_bytes, packages))
    assert size <= LARGEST_CLIENT_BYTES


def test_the_client_works_where_nothing_else_is_installed(client_alone: Path) -> None:
    imported = _run(client_alone, "from tunecurve import Client; print(Client.__module__)")
    helped = _run(client_alone, _command("--help"))

    assert imported.stdout == "tunecurve.client\n", imported.stderr
    assert helped.returncode == 0, helped.stderr
    assert "submit" in helped.stdout


@pytest.mark.parametrize("verb", ["up", "demo", "emulator"])
def test_without_the_server_the_command_says_what_to_install(client_alone: Path, verb: str) -> None:
    done = _run(client_alone, _command(verb))

    assert done.returncode == 3
    assert "pip install tunecurve-server" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_server_the_doctor_finds_no_fault(client_alone: Path) -> None:
    done = _run(client_alone, _command("doctor"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "pip install tunecurve-server" in done.stdout
