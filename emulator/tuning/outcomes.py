"""How a tuning ends: the trainer's reply, changed by the outcome that the settings ask for."""

from typing import Any

from emulator.randomness import unit
from emulator.settings import Settings
from emulator.tuning.records import State, Tuning
from emulator.tuning.trainer import Reply

NOT_FOUND_CODE = 5
INTERNAL_CODE = 13
_CANCELLED_CODE = 1
_INVALID_CODE = 3
_DEADLINE_CODE = 4
_UNLEARNED = {
    "bad_file": (_INVALID_CODE, "training dataset: Dataset validation failed: rows are invalid."),
    "error_before_upload": (INTERNAL_CODE, "Internal error occurred. Please retry."),
    "expire": (_DEADLINE_CODE, "The tuning job has expired."),
}


def outcome_of(tuning: Tuning, settings: Settings) -> str:
    """Return the `tuning_outcome` of a tuning; the rate draws by seed and number of the tuning."""
    own = settings.of_model(tuning.base_model)
    chance = unit(settings.seed, "tuning_outcome", tuning.serial)
    return own.tuning_outcome if chance < own.tuning_outcome_rate else "succeed"


def unlearned(outcome: str) -> Reply | None:
    """Return the reply for an outcome that comes without learning; None when there is to learn."""
    if outcome not in _UNLEARNED:
        return None
    code, message = _UNLEARNED[outcome]
    return failure(code, message)


def failure(code: int, message: str) -> Reply:
    return {"outcome": "failed", "code": code, "message": message}


def ending(outcome: str, reply: Reply) -> dict[str, Any]:
    """Return the fields of the ended tuning; data that cannot be learned from fail in any case."""
    if reply["outcome"] != "learned":
        state = State.EXPIRED if outcome == "expire" else State.FAILED
        return {"state": state, "error": _error(reply["code"], reply["message"])}
    learned = {name: reply[name] for name in ("head", "data_stats", "evaluations")}
    learned |= {"uploaded": True}
    match outcome:
        case "error_after_upload":
            message = "Internal error occurred after the model was uploaded."
            return learned | {"state": State.FAILED, "error": _error(INTERNAL_CODE, message)}
        case "partially_succeed":
            message = "The model is deployed; some results are missing due to an internal error."
            error = _error(INTERNAL_CODE, message)
            return learned | {"state": State.PARTIALLY_SUCCEEDED, "error": error}
        case _:
            return learned | {"state": State.SUCCEEDED}


def cancellation() -> dict[str, Any]:
    error = _error(_CANCELLED_CODE, "The tuning job was cancelled.")
    return {"state": State.CANCELLED, "error": error}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}
