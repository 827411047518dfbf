"""Paid calls to a model, paced and stored once."""
