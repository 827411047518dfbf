"""Adapters to services that answer a whole file of requests at once."""
