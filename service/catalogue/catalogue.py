"""The catalogue of base models: the shipped facts, merged with the user's, and look-ups."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial, reduce
from itertools import chain
from pathlib import Path
from typing import Any

import structlog
from pydantic import ValidationError

from service.catalogue.entry import ModelEntry
from service.catalogue.local_names import LOCAL, is_local
from service.catalogue.locations import GLOBAL, nearest
from service.catalogue.prices import CallPrice, price_of_calls, price_of_training
from service.errors import Invalid

log = structlog.get_logger()

_SHIPPED = Path(__file__).with_name("base_models.toml")
_VERSION = re.compile(r"(@[\w.-]+|-\d{3})$")
_GENERATION = re.compile(r"[\d.]+$")
_Tables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Places:
    """Where tunings run, and where models are called; empty `serving`: chosen for each model.

    `emulated`: an emulator answers there, so that what comes from it is synthetic.
    """

    tuning: str = "us-central1"
    serving: str = ""
    emulated: bool = False


DEFAULT_PLACES = Places()


def unversioned(base_model: str) -> str:
    """Return a base model's name without its version (`-001`, `@default`)."""
    return _VERSION.sub("", base_model)


class Catalogue:
    """What is known of base models; iterates over the listed ones by name."""

    def __init__(
        self,
        entries: Mapping[str, ModelEntry],
        general: ModelEntry,
        places: Places,
        *,
        local: ModelEntry,
    ) -> None:
        self._entries, self._general, self._local = dict(sorted(entries.items())), general, local
        self.places = places

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(self._entries.values())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._entries)

    def find(self, base_model: str) -> ModelEntry | None:
        """Return the entry of a base model; a version (`-001`, `@default`) is what its model is."""
        name = base_model.rpartition("/")[2]
        return self._entries.get(name) or self._entries.get(unversioned(name))

    def entry(self, base_model: str) -> ModelEntry:
        """Return the entry of a base model under the name it was asked for; one that is not
        listed gets what holds of models in general, a local one what holds of all local ones.
        """
        found = self._local if is_local(base_model) else self.find(base_model) or self._general
        return found.model_copy(update={"name": base_model})

    def line_of(self, base_model: str) -> str:
        """Return the provider's line of a base model, `gemini` of all its generations.

        Of a model that is not listed, or local, it is read from the name where that has it.
        """
        name = base_model.rpartition("/")[2].removeprefix(f"{LOCAL}:").lower()
        return self.entry(base_model).line or _GENERATION.sub("", name.partition("-")[0]) or name

    def is_synthetic(self, base_model: str) -> bool:
        """Return whether an emulator answers for a base model; a local one answers itself."""
        return self.places.emulated and not is_local(base_model)

    def serving_location(self, base_model: str) -> str:
        """Return where a base model is called: where models tuned from it answer, too, so that
        both are measured at the same place.
        """
        entry = self.entry(base_model)
        if self.places.serving and not is_local(base_model):
            return self.places.serving
        shared = [each for each in entry.serving.base if each in entry.serving.tuned]
        served = shared if entry.is_tunable and shared else entry.serving.base
        return nearest(self.places.tuning, served)

    def tuned_location(self, base_model: str) -> str:
        """Return where a model answers that is tuned from a base model here."""
        return nearest(self.places.tuning, self.entry(base_model).serving.tuned)

    def price_of_calls(
        self, base_model: str, *, location: str, tuned: bool = False, batch: bool = False
    ) -> CallPrice | None:
        """Return what calls cost at a location; `tuned` are those of a model tuned from it."""
        price = self.entry(base_model).prices
        if price is None:
            return None
        return price_of_calls(price, regional=location != GLOBAL, tuned=tuned, batch=batch)

    def training_cost(self, base_model: str, *, tokens: int) -> int | None:
        """Return nano-dollars for training on so many tokens, all epochs counted."""
        price = self.entry(base_model).prices
        return None if price is None else price_of_training(price, tokens=tokens)


def load_catalogue(
    file: Path | None = None, *, prices: Path | None = None, places: Places = DEFAULT_PLACES
) -> Catalogue:
    """Return the shipped catalogue with the tables of `file` merged into its own.

    `prices` is a file of the old form, by base model: its entries replace the prices.
    Raises Invalid `catalogue_invalid`, naming the file and the entry.
    """
    tables: _Tables = _read(_SHIPPED)
    if prices is not None:
        log.warning("setting_deprecated", setting="TUNECURVE_PRICES", use="TUNECURVE_CATALOGUE")
        tables = _with_prices(tables, _read(prices))
    if file is not None:
        own = _read(file)
        _require_sources(own, file)
        tables = _merged(tables, own, depth=3)
    return _parsed(tables, file or prices or _SHIPPED, places)


def _with_prices(tables: _Tables, prices: _Tables) -> _Tables:
    models = tables["models"]
    replaced = {
        name: {**models.get(name, {}), "prices": {"tuned_factor": Decimal(1), **price}}
        for name, price in prices.items()
    }
    return {**tables, "models": {**models, **replaced}}


def _require_sources(own: _Tables, file: Path) -> None:
    """Raise Invalid unless every table that changes a fact says whence and when."""
    named = (own.get("models"), own.get("families"), {"default": own.get("default")})
    for name, groups in chain.from_iterable(map(_tables_in, named)):
        for group, facts in _tables_in(groups):
            if not {"source", "as_of"} <= set(facts):
                raise _invalid(file, f"{name}.{group} names no `source` and `as_of`")


def _tables_in(value: object) -> list[tuple[str, _Tables]]:
    if not isinstance(value, Mapping):
        return []
    return [(name, each) for name, each in value.items() if isinstance(each, Mapping)]


def _merged(ours: _Tables, theirs: _Tables, *, depth: int) -> dict[str, Any]:
    """Return two tables as one: tables down to `depth` are merged, anything else is replaced."""
    merged = dict(ours)
    for name, value in theirs.items():
        old = merged.get(name)
        if depth > 0 and isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[name] = _merged(old, value, depth=depth - 1)
        else:
            merged[name] = value
    return merged


def _parsed(tables: _Tables, file: Path, places: Places) -> Catalogue:
    general, families = tables["default"], tables["families"]
    try:
        entries = {
            name: _entry(name, general, families.get(own.get("family", ""), {}), own)
            for name, own in tables["models"].items()
        }
        return Catalogue(
            entries,
            _entry("", general, {"listed": False}),
            places,
            local=_entry("", general, families[LOCAL]),
        )
    except (ValidationError, AttributeError, TypeError) as error:
        raise _invalid(file, str(error)) from error


def _entry(name: str, *levels: _Tables) -> ModelEntry:
    """Return an entry of tables, each of which has precedence over those before it."""
    facts = reduce(partial(_merged, depth=1), levels)
    return ModelEntry.model_validate({"name": name, **facts})


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise _invalid(file, error.strerror or "it cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _invalid(file, str(error)) from error


def _invalid(file: Path, reason: str) -> Invalid:
    message = f"the catalogue of models {file} is not valid: {reason}"
    return Invalid(message, code="catalogue_invalid")
