"""For tests, as `--include`: a worker on kombu's own transport, which can go deaf."""

from kombu.transport import TRANSPORT_ALIASES

from workers import health

TRANSPORT_ALIASES["redis"] = "kombu.transport.redis:Transport"
health.DEAF_SECONDS = 1.0
