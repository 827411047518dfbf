"""Tests of `service.erasure`."""
