"""Signatures, judged by the reference library of the Standard Webhooks specification."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from service.clock import utc_now
from service.errors import Unavailable
from service.webhooks.signatures import WebhookSecrets, derive_secret, sign

BODY = b'{"type":"job.succeeded","data":{"name":"caf\\u00e9"}}'


def test_the_reference_library_accepts_both_secrets_during_a_rotation(
    secrets: WebhookSecrets,
) -> None:
    old, new = secrets.secret("wh_1", 1), secrets.secret("wh_1", 2)
    headers = sign(BODY, message_id="evt_1.wh_1", timestamp=utc_now(), secrets=[new, old])
    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers)["type"] == "job.succeeded"
    with pytest.raises(WebhookVerificationError):
        Webhook(secrets.secret("wh_1", 3)).verify(BODY, headers)


def test_a_changed_body_is_not_accepted(secrets: WebhookSecrets) -> None:
    secret = secrets.secret("wh_1", 1)
    headers = sign(BODY, message_id="evt_1.wh_1", timestamp=utc_now(), secrets=[secret])
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY.replace(b"succeeded", b"failed"), headers)


def test_any_zone_signs_the_same_instant(secrets: WebhookSecrets) -> None:
    moment, secret = utc_now(), secrets.secret("wh_1", 1)
    elsewhere = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
    first = sign(BODY, message_id="m", timestamp=moment, secrets=[secret])
    assert sign(BODY, message_id="m", timestamp=elsewhere, secrets=[secret]) == first


def test_the_signature_is_the_specifications_example() -> None:
    # https://github.com/standard-webhooks/standard-webhooks: the vector of its reference tests
    headers = sign(
        b'{"test": 2432232314}',
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=datetime.fromtimestamp(1614265330, tz=UTC),
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_secrets_differ_by_key_endpoint_and_generation_and_hold_32_bytes() -> None:
    drawn = [
        derive_secret(key, webhook_id=webhook_id, generation=generation)
        for key in ("key one", "key two")
        for webhook_id in ("wh_1", "wh_2")
        for generation in (1, 2)
    ]
    assert len(set(drawn)) == 8
    assert {len(base64.b64decode(secret.removeprefix("whsec_"))) for secret in drawn} == {32}


@pytest.mark.parametrize("master_key", ["", "short"])
def test_without_a_master_key_the_message_says_how_to_set_one(master_key: str) -> None:
    with pytest.raises(Unavailable, match="set TUNECURVE_MASTER_KEY") as caught:
        WebhookSecrets(master_key).secret("wh_1", 1)
    assert caught.value.code == "master_key_missing"


def test_the_master_key_does_not_show(secrets: WebhookSecrets) -> None:
    assert "master key" not in repr(secrets)
