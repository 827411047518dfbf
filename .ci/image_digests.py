"""Writes images.env: the images that docker-compose.yml names, by the digests that they have now.

It asks the registry by `docker buildx imagetools`: it needs Docker, and a way to the registry.
`docker-compose --env-file .env --env-file images.env …` then builds and starts exactly those.
"""

import re
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_IMAGE = re.compile(r"\$\{(TUNECURVE_\w+_IMAGE):-([\w./-]+:[\w.-]+)\}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def main() -> int:
    """Write all digests or none; return the exit status."""
    images = dict(_IMAGE.findall((_ROOT / "docker-compose.yml").read_text()))
    try:
        lines = [f"{name}={image}@{_digest(image)}\n" for name, image in sorted(images.items())]
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"no digests: {error}\n")
        return 1
    Path("images.env").write_text("".join(lines))
    sys.stdout.write("".join(lines))
    return 0


def _digest(image: str) -> str:
    words = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)  # noqa: S603  words of ours
    answer = done.stdout.strip()
    if not _DIGEST.fullmatch(answer):
        raise ValueError(f"no digest of {image} in the answer")
    return answer


if __name__ == "__main__":
    sys.exit(main())
