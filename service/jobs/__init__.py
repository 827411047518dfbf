"""Queued work: life cycle, leases, idempotency."""
