"""The service's catalogue and the emulator's table say the same of every model that both have."""

import pytest

from emulator.catalogue import MODELS
from service.catalogue.catalogue import load_catalogue
from service.catalogue.entry import SettingEffect

CATALOGUE = load_catalogue()
SIZES = {"ONE": 1, "TWO": 2, "FOUR": 4, "EIGHT": 8, "SIXTEEN": 16}
BOTH = sorted(MODELS)


def test_the_emulator_serves_every_model_that_can_be_tuned_or_is_retired() -> None:
    ours = {entry.name for entry in CATALOGUE if entry.is_tunable or entry.is_retired}

    assert set(BOTH) == ours


@pytest.mark.parametrize("name", BOTH)
def test_state_and_dates_agree(name: str) -> None:
    theirs, ours = MODELS[name], CATALOGUE.entry(name).lifecycle

    assert ours is not None
    assert (ours.retired.isoformat() if ours.retired else None) == theirs.retired
    assert (ours.retires.isoformat() if ours.retires else None) == theirs.retires_not_before


@pytest.mark.parametrize("name", BOTH)
def test_places_agree(name: str) -> None:
    theirs, ours = MODELS[name], CATALOGUE.entry(name)

    assert ours.serving.base == theirs.locations
    regions = theirs.tuned_locations
    assert ours.tuning.regions == tuple(regions or ())
    assert set(ours.serving.tuned) == set((regions or {}).values())


@pytest.mark.parametrize("name", BOTH)
def test_batches_sizes_and_sampling_agree(name: str) -> None:
    theirs, ours = MODELS[name], CATALOGUE.entry(name)

    assert ours.serving.batch_tuned == theirs.has_tuned_batch
    assert ("preference" in ours.tuning.methods) == theirs.takes_preferences
    assert list(ours.tuning.adapter_sizes) == [SIZES[size] for size in theirs.adapter_sizes]
    honours = ours.sampling.temperature is SettingEffect.HONOURED
    assert honours == theirs.honours_sampling


@pytest.mark.parametrize("name", BOTH)
def test_prices_agree(name: str) -> None:
    theirs, ours = MODELS[name].price, CATALOGUE.entry(name).prices

    assert ours is not None
    figures = (ours.input, ours.output, ours.training, ours.tuned_factor, ours.regional_factor)
    assert tuple(None if each is None else float(each) for each in figures) == (
        theirs.prompt,
        theirs.output,
        theirs.training,
        theirs.tuned_factor,
        theirs.regional_factor,
    )
