"""The catalogue of base models: facts with source and date, and the user's corrections."""

from datetime import date
from pathlib import Path

import pytest

from service.catalogue.catalogue import Catalogue, Places, load_catalogue
from service.catalogue.checks import check_base_model, check_location, check_region, warnings_about
from service.catalogue.entry import BaseModelState, CallSettings, ModelEntry, SettingEffect
from service.catalogue.locations import location_of, nearest
from service.errors import Invalid
from service.settings import Settings

CATALOGUE = load_catalogue()
LITE = "gemini-3.1-flash-lite"
GROUPS = (
    "lifecycle", "tuning", "epochs", "serving", "limits", "sampling", "thinking", "prices",
)  # fmt: skip


def changed(folder: Path, text: str) -> Catalogue:
    file = folder / "own.toml"
    file.write_text(text)
    return load_catalogue(file)


@pytest.mark.parametrize("entry", list(CATALOGUE), ids=lambda entry: entry.name)
def test_every_group_of_facts_names_its_source_and_date(entry: ModelEntry) -> None:
    groups = [getattr(entry, group) for group in GROUPS]

    assert all(group.source and group.as_of >= "2026" for group in groups if group)
    assert entry.lifecycle is not None


def test_the_third_generation_answers_at_multi_regions_and_its_bases_globally() -> None:
    third = [entry.serving for entry in CATALOGUE if entry.family == "gemini-3"]

    assert {each.base for each in third} == {("global", "us", "eu")}
    assert {each.tuned for each in third} == {("us", "eu")}
    assert {(each.batch_base, each.batch_tuned) for each in third} == {(True, False)}


def test_a_family_of_the_past_is_retired_and_its_facts_are_kept() -> None:
    past = [entry for entry in CATALOGUE if entry.family == "gemini-2.5"]

    assert len(past) == 3
    assert all(entry.is_retired and entry.prices for entry in past)
    assert all(entry.retirement_due(date(2026, 11, 29)) == date(2026, 10, 20) for entry in past)


def test_a_model_says_how_it_wants_to_be_called() -> None:
    assert CATALOGUE.entry(LITE).call_settings.thinking == (("thinkingLevel", "MINIMAL"),)
    assert CATALOGUE.entry("gemini-2.5-flash").call_settings.thinking == (("thinkingBudget", 0),)
    assert CATALOGUE.entry("of-no-family").call_settings == CallSettings()
    ignored = CATALOGUE.entry("gemini-3.5-flash-lite").sampling
    assert ignored.temperature is ignored.top_p is ignored.top_k is SettingEffect.IGNORED


def test_a_model_that_is_not_listed_gets_what_holds_in_general_and_no_price() -> None:
    entry = CATALOGUE.entry("gemini-9-ultra")

    assert CATALOGUE.find("gemini-9-ultra") is None
    assert (entry.name, entry.listed, entry.prices) == ("gemini-9-ultra", False, None)
    assert not entry.is_retired
    assert entry.limits == CATALOGUE.entry(LITE).limits


def test_a_version_is_known_under_its_own_name() -> None:
    entry = CATALOGUE.entry(f"publishers/google/models/{LITE}-001")

    assert entry.listed
    assert entry.name.endswith("-001")
    assert entry.prices == CATALOGUE.entry(LITE).prices


def test_what_a_tuned_model_costs_is_unknown_where_its_factor_is() -> None:
    name = "gemini-3.5-flash-lite"

    assert CATALOGUE.price_of_calls(name, location="us") is not None
    assert CATALOGUE.price_of_calls(name, location="us", tuned=True) is None
    assert CATALOGUE.training_cost(name, tokens=1) is None


def test_a_users_file_is_merged_fact_by_fact(tmp_path: Path) -> None:
    own = changed(
        tmp_path,
        f'[models."{LITE}".prices]\ninput = 0.2\nsource = "our contract"\nas_of = "2026-11"\n'
        '[models."gemini-3.7-flash"]\nfamily = "gemini-3"\n'
        '[models."gemini-3.7-flash".lifecycle]\nstate = "serving_only"\n'
        'source = "seen"\nas_of = "2026-11"\n',
    )
    prices, shipped = own.entry(LITE).prices, CATALOGUE.entry(LITE).prices

    assert prices is not None
    assert shipped is not None
    assert (float(prices.input), prices.output) == (0.2, shipped.output)
    assert prices.source == "our contract"
    assert own.entry(LITE).limits == CATALOGUE.entry(LITE).limits
    newer = own.find("gemini-3.7-flash")
    assert newer is not None
    assert newer.lifecycle is not None
    assert newer.lifecycle.state is BaseModelState.SERVING_ONLY
    assert newer.serving == CATALOGUE.entry(LITE).serving
    assert set(own.names) - set(CATALOGUE.names) == {"gemini-3.7-flash"}


def test_a_user_may_change_the_thinking_of_a_whole_family_and_refuse_settings(
    tmp_path: Path,
) -> None:
    own = changed(
        tmp_path,
        '[families."gemini-3".thinking]\nsetting = { thinkingBudget = 0 }\n'
        'source = "seen"\nas_of = "2026-11"\n'
        f'[models."{LITE}".sampling]\nseed = "refused"\nsource = "seen"\nas_of = "2026-11"\n',
    )

    settings = own.entry(LITE).call_settings
    assert settings == CallSettings((("thinkingBudget", 0),), frozenset({"seed"}))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("no toml", "own.toml"),
        (f'[models."{LITE}".prices]\ninput = 0.2\n', f"{LITE}.prices names no `source`"),
        (f'[models."{LITE}".pricing]\nsource = "s"\nas_of = "2026"\n', "pricing"),
        ('[models."m".lifecycle]\nstate = "old"\nsource = "s"\nas_of = "2026-11"\n', "state"),
        ('models = "m"\n', "own.toml"),
        ('[models]\nm = "n"\n', "own.toml"),
        ("[default.limits]\ntokens_per_example = 1\n", "default.limits names no `source`"),
    ],
    ids=["not toml", "no source", "unknown group", "bad state", "no table", "no entry", "default"],
)
def test_a_file_that_is_not_valid_is_refused_and_named(
    tmp_path: Path, text: str, named: str
) -> None:
    with pytest.raises(Invalid, match=r"own\.toml") as caught:
        changed(tmp_path, text)

    assert caught.value.code == "catalogue_invalid"
    assert named in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"none\.toml"):
        load_catalogue(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("name", "location"),
    [("projects/1/locations/us/endpoints/2", "us"), ("gemini-3.5-flash", ""), ("", "")],
)
def test_a_resource_names_its_location(name: str, location: str) -> None:
    assert location_of(name) == location


@pytest.mark.parametrize(
    ("location", "served", "nearest_one"),
    [
        ("us-central1", ("global", "us", "eu"), "us"),
        ("europe-west4", ("us", "eu"), "eu"),
        ("global", ("global", "us", "eu"), "global"),
        ("asia-east1", ("global", "us", "eu"), "global"),
        ("us-central1", (), "us-central1"),
        ("us-east1", ("us-central1", "us-east1"), "us-east1"),
    ],
)
def test_the_nearest_location_that_serves_a_model_is_used(
    location: str, served: tuple[str, ...], nearest_one: str
) -> None:
    assert nearest(location, served) == nearest_one


# ------------------------------------------------------------------------------------- places


@pytest.mark.parametrize(
    ("places", "called", "tuned"),
    [
        (Places("us-central1"), "us", "us"),
        (Places("europe-west4"), "eu", "eu"),
        (Places("us-central1", "eu"), "eu", "us"),
        (Places("us-central1", "global"), "global", "us"),
        (Places("asia-east1"), "us", "us"),
    ],
)
def test_a_base_model_is_called_where_its_tuned_models_answer_unless_a_place_is_set(
    places: Places, called: str, tuned: str
) -> None:
    catalogue = load_catalogue(places=places)

    assert catalogue.serving_location(LITE) == called
    assert catalogue.tuned_location(LITE) == tuned
    if called == tuned:
        check_location(catalogue, LITE, compares=True)
        return
    check_location(catalogue, LITE)
    with pytest.raises(Invalid, match="TUNECURVE_SERVING_LOCATION") as caught:
        check_location(catalogue, LITE, compares=True)
    assert caught.value.code == "locations_differ"
    assert caught.value.faults[0].pointer == "/spec/base_model"


def test_a_model_that_serves_everywhere_is_called_where_it_is_tuned() -> None:
    assert CATALOGUE.serving_location("gemini-2.5-flash") == "us-central1"
    assert CATALOGUE.tuned_location("gemini-2.5-flash") == "us-central1"


def test_a_base_model_is_not_called_where_it_does_not_answer() -> None:
    catalogue = load_catalogue(places=Places("us-central1", "us-central1"))

    with pytest.raises(Invalid, match="global, us, eu") as caught:
        check_location(catalogue, LITE)
    assert caught.value.code == "location_not_served"


@pytest.mark.parametrize("place", ["global", "us", "us-east1"])
def test_a_model_is_not_tuned_where_no_tuning_of_it_runs(place: str) -> None:
    with pytest.raises(Invalid, match="us-central1, europe-west4") as caught:
        check_region(load_catalogue(places=Places(place)), LITE)
    assert caught.value.code == "region_not_tunable"


# ------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize(
    ("name", "tunes", "code"),
    [
        ("gemini-2.5-flash", False, "base_model_retired"),
        ("gemini-2.5-flash-001", True, "base_model_retired"),
        ("gemini-9-ultra", False, "base_model_unknown"),
        ("", False, "base_model_unknown"),
        ("gemini-3.6-flash", True, "base_model_not_tunable"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_and_those_that_can_are_named(
    name: str, *, tunes: bool, code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        check_base_model(CATALOGUE, name, tunes=tunes)

    assert (caught.value.code, caught.value.faults[0].pointer) == (code, "/spec/base_model")
    assert f"{LITE}, gemini-3.5-flash" in caught.value.message
    assert ("gemini-3.6-flash" in caught.value.message) == (not tunes or name.endswith("3.6-flash"))
    assert check_base_model(CATALOGUE, name, tunes=tunes, allow_unlisted=True) is True


@pytest.mark.parametrize("name", [LITE, f"{LITE}-001", "gemini-3.5-flash"])
def test_a_listed_model_needs_no_permission_and_gets_no_stamp(name: str) -> None:
    assert check_base_model(CATALOGUE, name, tunes=True, allow_unlisted=True) is False


def test_the_default_model_is_the_catalogues_and_nothing_speaks_against_it() -> None:
    default = Settings(_env_file=None)
    catalogue = load_catalogue(places=Places(default.location, default.serving_location))
    tried_on = date(2026, 11, 29)

    assert default.base_model == LITE
    assert list(warnings_about(catalogue, LITE, today=tried_on)) == []
    later = dict(warnings_about(catalogue, LITE, today=date(2027, 5, 7)))
    assert list(later) == ["base_model_retirement_due"]
    assert "2027-05-07" in later["base_model_retirement_due"]
    past = dict(warnings_about(catalogue, "gemini-2.5-flash", today=tried_on))
    assert list(past) == ["base_model_retired"]
    elsewhere = load_catalogue(places=Places("us-east1"))
    assert list(dict(warnings_about(elsewhere, LITE, today=tried_on))) == ["region_not_tunable"]


def test_a_line_of_models_is_the_catalogues_and_else_read_from_the_name() -> None:
    assert {CATALOGUE.line_of(name) for name in CATALOGUE.names} == {"gemini"}
    for name, line in {
        "gemini-3.5-flash-001": "gemini",
        "gemma2-9b-it": "gemma",
        "local:HuggingFaceTB/SmolLM2-135M": "smollm",
    }.items():
        assert CATALOGUE.line_of(name) == line
