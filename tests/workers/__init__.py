"""Tests of the workers: real Celery processes on a real Redis."""
