"""Datasets with planted faults, each of which must be found by its row."""
