"""Secrets of endpoints, and signatures by the Standard Webhooks specification. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from service.errors import Unavailable

SECRET_PREFIX = "whsec_"  # noqa: S105  the specification's prefix, no secret
_MASTER_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """Derives every endpoint's secret from the master key, so none is stored."""

    master_key: str = field(repr=False)

    def secret(self, webhook_id: str, generation: int) -> str:
        """Return `whsec_…`. Raises Unavailable `master_key_missing`."""
        if len(self.master_key) < _MASTER_KEY_LENGTH:
            message = (
                "webhooks need a master key of 16 characters or more: set TUNECURVE_MASTER_KEY "
                "in every process, for example to the output of `openssl rand -base64 32`"
            )
            raise Unavailable(message, code="master_key_missing")
        return derive_secret(self.master_key, webhook_id=webhook_id, generation=generation)


def derive_secret(master_key: str, *, webhook_id: str, generation: int) -> str:
    """Return the secret of one generation of an endpoint: 32 bytes, always the same ones."""
    label = f"webhook-secret:v1:{webhook_id}:{generation}"
    derived = hmac.digest(master_key.encode(), label.encode(), hashlib.sha256)
    return SECRET_PREFIX + base64.b64encode(derived).decode()


def sign(
    body: bytes, *, message_id: str, timestamp: datetime, secrets: Sequence[str]
) -> dict[str, str]:
    """Return the three headers; there is a signature for each secret, so rotation hurts nobody.

    `timestamp` is the time of the attempt, aware; `message_id` stays the same over retries.
    """
    seconds = str(int(timestamp.timestamp()))
    content = b".".join((message_id.encode(), seconds.encode(), body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
