"""Adapters to the services that generate text."""
