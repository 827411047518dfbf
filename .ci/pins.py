"""Writes requirements/*.txt: exact versions for every platform, and the hashes of their files.

No address of any index is written. requirements/local.txt has no hashes: each build of PyTorch
(processor, CUDA, ROCm) comes from an index of its own, with files of its own. Nor has it the
packages of accelerators, 3.5 GB that a machine without one does not need: each build of PyTorch
brings its own, so that file is installed with its dependencies (without `--no-deps`).
"""

import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_COMPILE = (
    *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
    *("--no-emit-index-url", "--no-annotate", "--no-header", "--no-strip-extras"),
    *("--no-emit-package", "tunecurve"),
)
_SERVER = ("pyproject.toml", "--extra", "embedded")
_SETS = {
    "core": (*_SERVER, "--generate-hashes"),
    "dev": (*_SERVER, "--generate-hashes", "--group", "dev"),
    "bench": (*_SERVER, "--generate-hashes", "--group", "dev", "--group", "bench"),
    "local": (*_SERVER, "--extra", "local"),
    "generators": ("requirements/generators.in", "--generate-hashes"),
    "newest": ("requirements/newest.in", "--generate-hashes"),
    "build": ("requirements/build.in", "--generate-hashes"),
}
_CONFLICT = re.compile(r"<<<<<<< .*\n((?:.*\n)*?)=======\n(?:.*\n)*?>>>>>>> .*\n")
# What the build for CUDA that the index of PyPI has depends on, and no other build.
_ACCELERATORS = re.compile(r"(cuda-|nvidia-|triton\b)")
_WITH_EXTRAS = re.compile(r"([\w.-]+)\[[^\]]+\](.*)", re.DOTALL)


def main() -> None:
    for name, arguments in _SETS.items():
        file = _ROOT / "requirements" / f"{name}.txt"
        # uv keeps the versions that stand there; after a conflict, those of the upstream branch.
        file.write_text(_CONFLICT.sub(r"\1", file.read_text()))
        command = [str(Path(sys.executable).with_name("uv")), *_COMPILE[1:], *arguments]
        subprocess.run([*command, "--output-file", str(file)], cwd=_ROOT, check=True)  # noqa: S603
        file.write_text("\n".join(_lines(file.read_text())) + "\n")


def _lines(text: str) -> list[str]:
    """Return the pins, one with extras also without: pip asks for both when it checks hashes."""
    pins = []
    for pin in re.split(r"\n(?=\S)", text.rstrip("\n")):
        if _ACCELERATORS.match(pin):
            continue
        if with_extras := _WITH_EXTRAS.match(pin):
            pins.append(with_extras[1] + with_extras[2])
        pins.append(pin)
    return pins


if __name__ == "__main__":
    main()
