"""Tuning runs: submitted exactly once, polled to the end."""
