"""`.ci/subjects` refuses long commit subjects, but none from before the rule."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

LONG = "A subject of seventy-three characters, which is one more than are allowed"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose oldest subject is too long, and whose second commit adds the rule."""
    _git(tmp_path, "init", "--quiet")
    _commit(tmp_path, LONG)
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "subjects", tmp_path / ".ci")
    _git(tmp_path, "add", ".")
    _commit(tmp_path, "Check subjects")
    return tmp_path


def _git(folder: Path, *words: str) -> None:
    author = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run(["git", *author, *words], cwd=folder, check=True)


def _commit(folder: Path, subject: str) -> None:
    _git(folder, "commit", "--quiet", "--allow-empty", "--message", subject)


def _check(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [folder / ".ci" / "subjects"], capture_output=True, text=True, check=False
    )


def test_subjects_from_before_the_rule_and_of_72_characters_pass(repository: Path) -> None:
    _commit(repository, LONG[:72])

    assert _check(repository).returncode == 0


def test_a_longer_subject_is_refused_and_named(repository: Path) -> None:
    _commit(repository, LONG)
    _commit(repository, "Short again")
    done = _check(repository)

    assert done.returncode == 1
    assert LONG in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_tree_without_history_passes(repository: Path) -> None:
    shutil.rmtree(repository / ".git")

    assert _check(repository).returncode == 0
