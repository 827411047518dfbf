"""Writes out/sbom.json (CycloneDX 1.6) and out/licences.md of what the server installs here.

Versions and hashes are those of the pins, licences those that the installed packages state or
bring along.
"""

import json
import re
from importlib.metadata import PackageNotFoundError, files, metadata
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"([\w.-]+)==([\w.+!]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_UNKNOWN = "not stated"
# The sentence that no other licence has.
_MIT = "to deal in the Software without restriction, including without limitation the rights"


def main() -> None:
    components = [found for pin in _pins() if (found := _component(pin))]
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "tunecurve-server"}},
        "components": components,
    }
    folder = _ROOT / "out"
    folder.mkdir(exist_ok=True)
    (folder / "sbom.json").write_text(json.dumps(bom, indent=2) + "\n")
    rows = [
        f"| {each['name']} | {each['version']} | {each['licenses'][0]['license']['name']} |"
        for each in components
    ]
    head = ["| package | version | licence |", "|---|---|---|"]
    (folder / "licences.md").write_text("\n".join([*head, *rows]) + "\n")


def _pins() -> list[str]:
    text = (_ROOT / "requirements/core.txt").read_text()
    return [pin for pin in re.split(r"\n(?=\S)", text.strip()) if _PIN.match(pin)]


def _component(pin: str) -> dict[str, Any] | None:
    """Return a package as CycloneDX has it; None where this platform does not install it."""
    found = _PIN.match(pin)
    if found is None:
        return None
    name, version = found.groups()
    try:
        licence = _licence(name)
    except PackageNotFoundError:
        return None
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in _HASH.findall(pin)],
        "licenses": [{"license": {"name": licence}}],
    }


def _licence(name: str) -> str:
    about = metadata(name)
    classified = [
        line.rpartition(" :: ")[2]
        for line in about.get_all("Classifier") or []
        if line.startswith("License ::")
    ]
    stated = (about.get("License") or "").partition("\n")[0]
    known = about.get("License-Expression") or ", ".join(classified) or stated
    return known or ("MIT" if _is_mit(name) else _UNKNOWN)


def _is_mit(name: str) -> bool:
    """Return whether the licence that a package brings along is MIT's, in words of its own."""
    brought = [file for file in files(name) or () if file.name.startswith("LICEN")]
    return any(_MIT in " ".join(file.read_text().split()) for file in brought)


if __name__ == "__main__":
    main()
