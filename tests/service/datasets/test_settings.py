"""What a deployment may set about sources, and that it counts."""

import pytest

from service.catalogue.catalogue import load_catalogue
from service.container import Container
from service.database import Sessions
from service.datasets.formats.read_context import IngestionLimits, limits_of
from service.datasets.operations import run_prepare
from service.errors import Invalid
from service.files.contents import FileLimits, TooLarge
from service.settings import Settings
from tests.service.datasets.preparation import CountingStore, reserve


def container(**settings: object) -> Container:
    return Container(Settings(_env_file=None, **settings))  # type: ignore[arg-type]


def test_the_defaults_of_the_settings_are_those_of_staging() -> None:
    assert container().ingestion_limits == IngestionLimits()


def test_limits_of_uploads_leave_the_others_at_their_defaults() -> None:
    limits = limits_of(FileLimits(upload_bytes=10, line_bytes=5))

    assert (limits.source_bytes, limits.row_bytes) == (10, 5)
    assert limits.rows == IngestionLimits().rows


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_source_over_a_limit_that_was_set_is_refused(
    sessions: Sessions, store: CountingStore, project_id: str
) -> None:
    run = reserve(sessions, project_id)
    limits = container(source_rows_limit=150).ingestion_limits

    with pytest.raises(TooLarge) as raised:
        run_prepare(
            run,
            sessions=sessions,
            store=store,
            limits=limits,
            google_project="p",
            catalogue=load_catalogue(),
        )

    assert raised.value.code == "too_many_rows"
    assert "150" in raised.value.message


def test_a_mirror_of_the_hub_is_reached_only_where_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TUNECURVE_HUB_ENDPOINT", "https://10.1.2.3/mirror/")
    refused = container().hub
    monkeypatch.setenv("TUNECURVE_HUB_ALLOW_NETWORKS", "10.0.0.0/8")
    allowed = container().hub

    assert refused.endpoint == allowed.endpoint == "https://10.1.2.3/mirror"
    with pytest.raises(Invalid):
        refused.json("/x")
    assert [str(each.network) for each in allowed.rules.allow_networks] == ["10.0.0.0/8"]
    with pytest.raises(Invalid, match="TUNECURVE_HUB_ALLOW_NETWORKS"):
        _ = container(hub_allow_networks="everywhere").hub


def test_tokens_are_counted_where_a_project_pays_unless_that_is_turned_off() -> None:
    assert container().google.of("").token_counter is None
    assert (
        container(google_cloud_project="p", count_tokens=False).google.of("").token_counter is None
    )
    emulated = container(google_cloud_project="p", vertex_endpoint="http://127.0.0.1:9")
    counter = emulated.google.of("").token_counter
    assert counter is not None
    assert counter.synthetic
