"""What would keep a tuning from working is reported before anything is paid."""

from dataclasses import replace
from typing import Any

import pytest

from service.catalogue.catalogue import Places, load_catalogue
from service.errors import Invalid, ProviderRefused, TunecurveError, Unavailable
from service.jobs.lifecycle import Reason
from service.jobs.ports import Waiting
from service.settings import Settings
from service.storage.ports import BucketAccess
from service.tuning.models import TuningRun
from service.tuning.preflight.facts import Preflight, open_preflight
from service.tuning.preflight.findings import (
    FindingState,
    PreflightFacts,
    PreflightFinding,
    examine,
    require_ready,
)
from tests.service.tuning.conftest import PROJECT, Tuning
from tests.support.emulator import EmulatorProcess

ALL = frozenset(f"storage.objects.{name}" for name in ("get", "list", "create", "delete"))
BUCKET = BucketAccess("b", "US-CENTRAL1", (), ALL)
FACTS = PreflightFacts(
    base_model="gemini-3.5-flash",
    region="us-central1",
    regions=("us-central1", "europe-west4"),
    emulated=False,
    storage="gs://b/rows.jsonl",
    bucket=BUCKET,
    training_bytes=12,
    open_tunings=0,
    most_open=1,
)
OK, WARN, UNKNOWN, FAIL = FindingState


def failures(facts: PreflightFacts) -> list[PreflightFinding]:
    return [each for each in examine(facts) if each.state is not OK]


def test_where_all_is_well_every_check_says_so() -> None:
    assert [each.check for each in examine(FACTS)] == [
        "region",
        "bucket",
        "bucket location",
        "training file",
        "tunings",
        "concurrent tunings",
    ]
    assert failures(FACTS) == []
    require_ready(examine(FACTS))


@pytest.mark.parametrize(
    ("changes", "state", "code", "fix"),
    [
        ({"region": "asia-east1"}, FAIL, "region_not_tunable", "us-central1, europe-west4"),
        ({"bucket": None}, FAIL, "storage_not_readable", "TUNECURVE_STORAGE=gs://"),
        (
            {"bucket": ProviderRefused("no bucket b: make it", code="bucket_not_found")},
            FAIL,
            "bucket_not_found",
            "make it",
        ),
        (
            {"bucket": replace(BUCKET, permissions=ALL - {"storage.objects.create"})},
            FAIL,
            "storage_forbidden",
            "lack storage.objects.create: give the service account roles/storage.objectAdmin",
        ),
        (
            {"training_bytes": Invalid("prepare anew", code="training_file_not_found")},
            FAIL,
            "training_file_not_found",
            "prepare anew",
        ),
        (
            {"open_tunings": ProviderRefused("Vertex AI: denied")},
            FAIL,
            "provider_forbidden",
            "roles/aiplatform.user",
        ),
        (
            {"open_tunings": Unavailable("away", code="provider_unavailable")},
            UNKNOWN,
            "provider_unavailable",
            "away",
        ),
        ({"open_tunings": 1}, WARN, "concurrent_tunings_reached", "waits in line"),
    ],
)
def test_each_fault_is_reported_with_its_fix(
    changes: dict[str, Any], state: FindingState, code: str, fix: str
) -> None:
    found = failures(replace(FACTS, **changes))

    assert [(each.state, each.code) for each in found if each.check != "bucket location"] == [
        (state, code)
    ]
    assert fix in found[0].detail


@pytest.mark.parametrize(
    ("place", "region", "state"),
    [
        ("US-CENTRAL1", "us-central1", OK),
        ("US", "us-central1", OK),
        ("EU", "europe-west4", OK),
        ("US-EAST1", "us-central1", WARN),
        ("NAM4", "us-central1", WARN),
        ("EUR4", "us-central1", FAIL),
        ("EU", "us-central1", FAIL),
        ("US", "europe-west4", FAIL),
        ("ASIA-EAST1", "europe-west4", FAIL),
        ("", "us-central1", WARN),
    ],
)
def test_a_bucket_fits_a_region_of_its_continent(
    place: str, region: str, state: FindingState
) -> None:
    facts = replace(FACTS, region=region, bucket=replace(BUCKET, location=place))

    (found,) = [each for each in examine(facts) if each.check == "bucket location"]

    assert found.state is state


def test_a_region_of_the_bucket_s_continent_is_proposed() -> None:
    (found,) = failures(replace(FACTS, bucket=replace(BUCKET, location="EU")))

    assert "set TUNECURVE_LOCATION=europe-west4" in found.detail


def test_a_dual_region_of_two_regions_covers_both() -> None:
    bucket = replace(BUCKET, location="US", regions=("us-central1", "us-east1"))

    assert failures(replace(FACTS, bucket=bucket)) == []


def test_all_that_fails_is_one_error_with_its_faults() -> None:
    facts = replace(FACTS, region="asia-east1", bucket=None, open_tunings=Unavailable("away"))

    with pytest.raises(Invalid, match="nothing was sent or paid") as caught:
        require_ready(examine(facts))

    codes = [fault.code for fault in caught.value.faults]
    assert codes == ["region_not_tunable", "storage_not_readable"]


def preflight(url: str, *, region: str = "us-central1") -> Preflight:
    settings = Settings(
        google_cloud_project=PROJECT,
        location=region,
        vertex_endpoint=url,
        storage="gs://tunecurve/data",
    )
    places = Places(region, emulated=True)
    return open_preflight(
        settings,
        project=settings.google_cloud_project,
        account="",
        catalogue=load_catalogue(places=places),
        most_open=1,
    )


@pytest.fixture
def checked(tuning: Tuning, emulator: EmulatorProcess) -> Tuning:
    tuning.preflight = preflight(emulator.url)
    return tuning


def refusal(tuning: Tuning) -> TunecurveError:
    """Return the error of a job that was to tune; nothing was written, sent or paid for it."""
    before = tuning.emulator.ledger()["tunings_created"]
    with pytest.raises(Invalid) as caught:
        tuning.step()
    with tuning.sessions.reading() as session:
        assert session.query(TuningRun).filter_by(job_id=tuning.run.id).count() == 0
    assert tuning.emulator.ledger()["tunings_created"] == before
    return caught.value


def test_a_tuning_that_can_work_is_sent(checked: Tuning) -> None:
    assert checked.step() == Waiting(Reason.PROVIDER)
    assert len(checked.tunings()) == 1


@pytest.mark.parametrize(
    ("forbidden", "code"),
    [
        ("storage", "storage_forbidden"),
        ("storage_writes", "storage_forbidden"),
        ("tunings", "provider_forbidden"),
    ],
)
def test_what_we_may_not_do_fails_the_job_before_anything_is_paid(
    checked: Tuning, emulator: EmulatorProcess, forbidden: str, code: str
) -> None:
    emulator.configure(forbidden=forbidden)
    try:
        error = refusal(checked)
    finally:
        emulator.configure(forbidden="nothing")

    assert error.code == code
    assert "roles/" in error.message


def test_a_bucket_that_is_gone_fails_the_job(checked: Tuning, emulator: EmulatorProcess) -> None:
    emulator.reset(config=False)

    error = refusal(checked)

    assert error.code == "bucket_not_found"
    assert "there is no bucket tunecurve" in error.message


def test_a_training_file_that_is_gone_fails_the_job(
    checked: Tuning, emulator: EmulatorProcess
) -> None:
    emulator.reset(config=False)
    emulator.request("POST", f"/storage/v1/b?project={PROJECT}", {"name": "tunecurve"})

    assert refusal(checked).code == "training_file_not_found"


def test_a_bucket_on_another_continent_fails_the_job(
    tuning: Tuning, emulator: EmulatorProcess
) -> None:
    tuning.preflight = preflight(emulator.url, region="europe-west4")

    error = refusal(tuning)

    assert error.code == "bucket_elsewhere"
    assert "set TUNECURVE_LOCATION=us-central1" in error.message


def test_without_an_answer_the_tuning_itself_waits_for_its_provider(tuning: Tuning) -> None:
    tuning.preflight = preflight("http://127.0.0.1:9")

    assert tuning.step() == Waiting(Reason.PROVIDER)


def test_before_the_first_dataset_the_emulator_needs_no_bucket(
    emulator: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    emulator.reset(config=False)

    found = preflight(emulator.url).findings("gemini-3.1-flash-lite")

    assert {each.state for each in found} == {OK}


def test_open_tunings_of_anybody_are_counted(checked: Tuning, emulator: EmulatorProcess) -> None:
    emulator.configure(tuning_seconds=600)
    try:
        checked.step()
        found = preflight(emulator.url).findings("gemini-3.1-flash-lite")
    finally:
        emulator.reset()
        emulator.configure(tuning_seconds=0.1)

    assert found[-1].code == "concurrent_tunings_reached"
    assert "1 open in us-central1" in found[-1].detail
