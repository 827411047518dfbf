"""Adapters to the services that tune."""
