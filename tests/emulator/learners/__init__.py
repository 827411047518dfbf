"""Tests of the models that learn and of the base model."""
