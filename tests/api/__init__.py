"""Tests of the HTTP API: a real server, real databases, no worker."""
