"""What google-genai's newest version does with the emulator: a program of its own process.

`python -m tests.emulator.newest_client URL TRAINING_URI PAIRS_URI` prints one line of JSON. The
version is the first one on the interpreter's path.
"""

import json
import sys
import warnings
from importlib.metadata import version
from typing import Any

from google.genai import Client, types
from google.oauth2.credentials import Credentials

from tests.support.eventually import eventually

TEXT = "note 3: a dreadful and sorry day"


def main(url: str, uri: str, pairs_uri: str) -> None:
    warnings.simplefilter("ignore")
    client = Client(
        enterprise=True,
        project="lab",
        location="us-central1",
        credentials=Credentials(token="emulator"),  # type: ignore[no-untyped-call]
        http_options=types.HttpOptions(base_url=url, timeout=60_000),
    )
    made = client.tunings.tune(
        base_model="gemini-2.5-flash",
        training_dataset=types.TuningDataset(gcs_uri=uri),
        config=types.CreateTuningJobConfig(epoch_count=1),
    )
    preferred = client.tunings.tune(
        base_model="gemini-2.5-flash",
        training_dataset=types.TuningDataset(gcs_uri=pairs_uri),
        config=types.CreateTuningJobConfig(
            method=types.TuningMethod.PREFERENCE_TUNING, epoch_count=2, beta=0.5
        ),
    )
    endpoint = _endpoint(client, str(made.name))
    models = client.models
    chunks = models.generate_content_stream(model=endpoint, contents=TEXT)
    reported = {
        "version": version("google-genai"),
        "answer": models.generate_content(model=endpoint, contents=TEXT).text,
        "streamed": "".join(str(chunk.text) for chunk in chunks),
        "counted": models.count_tokens(model=endpoint, contents=TEXT).total_tokens,
        "computed": len(_tokens(models)),
        "models": [model.name for model in models.list(config={"page_size": 50})],
        "tunings": [job.name for job in client.tunings.list(config={"page_size": 50})],
        "made": made.name,
        "preferred": models.generate_content(
            model=_endpoint(client, str(preferred.name)), contents=TEXT
        ).text,
    }
    sys.stdout.write(f"{json.dumps(reported)}\n")


def _tokens(models: Any) -> list[bytes]:
    (info,) = models.compute_tokens(model="gemini-2.5-flash", contents=TEXT).tokens_info
    return list(info.tokens)


def _endpoint(client: Any, name: str) -> str:
    def tuned() -> str | None:
        job = client.tunings.get(name=name)
        return job.tuned_model.endpoint if job.tuned_model else None

    return str(eventually(tuned, what=f"{name} has not ended"))


if __name__ == "__main__":
    main(*sys.argv[1:])
