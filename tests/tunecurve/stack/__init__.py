"""Tests of the embedded stack's parts, with real processes."""
