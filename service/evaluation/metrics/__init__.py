"""Metrics as evaluate.Metric classes, shipped with the project."""
