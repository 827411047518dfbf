"""Which passes of a tuning leave a checkpoint behind, and where each of them is served."""

import hashlib

_MOST = 10
_SMALLEST_ID, _IDS = 10**18, 9 * 10**18


def kept_epochs(epochs: int, *, last_only: bool) -> list[int]:
    """Return the epochs after which the model is kept: all of up to ten, else ten evenly spread.

    The last is always one of them. Source: Google's page on checkpoints in supervised fine-tuning,
    which says "around 10" without the exact epochs.
    """
    if last_only:
        return [epochs]
    count = min(epochs, _MOST)
    return [-(-epochs * number // count) for number in range(1, count + 1)]


def checkpoint_endpoint_id(endpoint_id: str, epoch: int) -> str:
    """Return the endpoint number of an earlier checkpoint, the same whenever it is asked for."""
    digest = hashlib.blake2b(f"{endpoint_id} {epoch}".encode(), digest_size=8).digest()
    return str(_SMALLEST_ID + int.from_bytes(digest, "big") % _IDS)
