"""Datasets: load, normalise, deduplicate, split, convert."""
