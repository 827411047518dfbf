"""The metrics that Google's evaluation service computes without a model."""
