# Every target sets up .venv by itself from a bare clone; only Python 3.11+ and make are needed.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
# The files name every package: nothing else is resolved or taken.
PINNED := --quiet --no-deps --require-hashes

.PHONY: demo demo-local test lint fmt up openapi settings wheels pins sbom audit image-digests clean

demo: .venv/core
	$(BIN)/tunecurve demo $(ARGS)

# A GPT-2 made on the spot, trained on this machine on growing numbers of reviews.
demo-local: .venv/local
	$(BIN)/python examples/local/reviews.py out/local/reviews.csv 1300
	$(BIN)/python -m service.inference.local.tiny_gpt2 out/local/models/tiny-gpt2 out/local/reviews.csv
	TUNECURVE_LOCAL_MODELS=$(CURDIR)/out/local/models $(BIN)/tunecurve demo --preset sentiment \
	  --data out/local/reviews.csv --spec examples/local/experiment.json --data-dir out/local/stack $(ARGS)

up: .venv/core
	$(BIN)/tunecurve up $(ARGS)

# Tests wait more than they compute: four processes keep two cores busy.
# Where a machine writes no bytecode, each of them would compile all tests again (7 s of computing).
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/dev .venv/local .venv/newest
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

lint: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/dead_code.py
	$(BIN)/hadolint Dockerfile

fmt: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

openapi: .venv/core
	$(BIN)/python -m api openapi > docs/openapi.json

settings: .venv/core
	$(BIN)/python -m api settings > docs/settings.md

# Two wheels in out/wheels: `tunecurve` (client and command) and `tunecurve-server`.
wheels: .venv/core
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir out/wheels ./tunecurve .

# Pins for every platform with the hashes of their files, without the address of any index.
pins: .venv/dev
	$(PIP) install --quiet uv
	$(BIN)/python .ci/pins.py

# What the server installs: out/sbom.json (CycloneDX) and out/licences.md.
sbom: .venv/core
	$(BIN)/python .ci/sbom.py

# Known vulnerabilities of what the server installs. Needs an index that answers with them: one that
# does not fails here, and is not taken for a clean bill.
audit: .venv/core
	$(PIP) install --quiet pip-audit
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements/core.txt

# The base images by the digests they have now, for docker-compose: images.env.
image-digests:
	$(PYTHON) .ci/image_digests.py

.venv/core: requirements/core.txt requirements/build.txt pyproject.toml tunecurve/pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Tunecurve needs Python 3.11 or newer; set PYTHON=python3.12, say") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install $(PINNED) -r requirements/core.txt
	$(PIP) install $(PINNED) -r requirements/build.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e ./tunecurve -e .
	touch .venv/core

# A newer google-genai than the one that is pinned, in a folder of its own: the emulator is tried
# with both.
.venv/newest: .venv/core requirements/newest.txt
	rm -rf .venv/newest
	$(PIP) install $(PINNED) --target .venv/newest -r requirements/newest.txt
	touch .venv/newest

.venv/dev: .venv/core requirements/dev.txt
	$(PIP) install $(PINNED) -r requirements/dev.txt
	touch .venv/dev

# No hashes and with its dependencies: they are those of the build of PyTorch that your index has.
.venv/local: .venv/core requirements/local.txt
	$(PIP) install --quiet -r requirements/local.txt
	touch .venv/local

.venv/bench: .venv/dev requirements/bench.txt
	$(PIP) install $(PINNED) -r requirements/bench.txt
	touch .venv/bench

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache out
