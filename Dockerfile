# One image, many commands: api, worker, ticker, migrate, emulator.
# A tag may be moved, a digest may not: `make image-digests` writes it for docker-compose.
ARG PYTHON_IMAGE=python:3.12.12-slim-bookworm
FROM ${PYTHON_IMAGE} AS builder
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/tunecurve
COPY requirements/build.txt requirements/core.txt requirements/
RUN /opt/tunecurve/bin/python -m pip install --require-virtualenv --no-deps --require-hashes -r requirements/core.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/python -m pip install --require-virtualenv --no-deps --require-hashes -r requirements/build.txt
# PyTorch has no hashes here, and its dependencies are those of the build that an index offers.
ARG EXTRA=""
COPY requirements/local.txt requirements/
RUN test -z "$EXTRA" || /opt/tunecurve/bin/python -m pip install --require-virtualenv -r "requirements/$EXTRA.txt"
COPY pyproject.toml README.md LICENSE ./
COPY api api
COPY emulator emulator
COPY service service
COPY tunecurve tunecurve
COPY workers workers
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels ./tunecurve . \
 && /opt/tunecurve/bin/python -m pip install --require-virtualenv --no-deps /wheels/*.whl

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 tunecurve \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data tunecurve \
 && install --directory --owner=10001 --group=10001 /data /state /models
COPY --from=builder /opt/tunecurve /opt/tunecurve
ENV PATH=/opt/tunecurve/bin:$PATH \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    OPENBLAS_NUM_THREADS=1 \
    HOME=/data \
    TUNECURVE_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM
EXPOSE 8765
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=4 \
  CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8765, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "-m", "api", "serve", "--host", "0.0.0.0", "--port", "8765"]
