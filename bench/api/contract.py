"""Generated requests against an API of its own: every answer is one that the contract has.

    .venv/bin/python -m bench.api.contract --count 10000 [--seed 0]

The requests are spread evenly over the operations. Prints a line for each operation and exits
with 1 at the first answer that it does not have.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from pydantic import SecretStr

from service.logging import configure_logging
from service.migrations.upgrade import upgrade
from service.settings import Settings
from tests.api.outputs import finished_evaluation, finished_experiment, prepared_dataset
from tests.api.server import Api, serve
from tests.support.generated_requests import check_operation, operations_of
from tests.support.redis import start_redis


def main() -> None:
    """Start a server, fill it a little, and send the requests."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="requests in all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    configure_logging(log_format="json", level="critical")
    with tempfile.TemporaryDirectory() as folder, start_redis() as redis:
        settings = _settings(Path(folder), redis.url)
        upgrade(settings.resolved_database_url)
        with serve(settings) as api:
            sent = _check_all(api, count=options.count, first_seed=options.seed)
    print(f"{sent.total()} requests, every answer as in the contract")


def _settings(folder: Path, redis_url: str) -> Settings:
    return Settings(
        _env_file=None,
        data_dir=folder,
        redis_url=redis_url,
        storage=f"file:{folder / 'objects'}",
        master_key=SecretStr("a master key for a bench only"),
    )


def _check_all(api: Api, *, count: int, first_seed: int) -> Counter[str]:
    caller = api.caller()
    dataset = prepared_dataset(api, caller)["id"]
    ids = {
        "dataset_id": dataset,
        "job_id": caller.get("/v1/jobs").json()["data"][0]["id"],
        "evaluation_id": finished_evaluation(api, caller, dataset),
        "experiment_id": finished_experiment(api, caller, dataset),
        "file_id": caller.upload(b"text,target\ngood,positive\n").json()["id"],
    }
    operations = list(operations_of(api.app.openapi()))
    each = -(-count // len(operations))
    sent: Counter[str] = Counter()
    for operation in operations:
        sent[operation.label] = check_operation(
            operation,
            url=api.url,
            secret=caller.secret,
            ids=ids,
            count=each,
            first_seed=first_seed,
        )
        print(f"{sent[operation.label]:>6}  {operation.label}", flush=True)
    return sent


if __name__ == "__main__":
    main()
