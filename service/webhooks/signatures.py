"""Secrets of endpoints, and signatures as Standard Webhooks specifies them. Pure."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standardwebhooks import Webhook

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
    """Return the three headers, with a signature for each secret: during a rotation both verify.

    `timestamp` is the time of the attempt, aware; `message_id` stays the same over retries;
    `body` is UTF-8.
    """
    moment, text = timestamp.astimezone(UTC), body.decode()  # the library drops any other zone
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(message_id, moment, text) for secret in secrets
        ),
    }
