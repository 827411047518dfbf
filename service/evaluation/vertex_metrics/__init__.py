"""Metrics that Vertex AI's evaluation service computes, beside our own."""
