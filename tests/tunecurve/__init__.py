"""Tests of the client, the command line and the embedded stack."""
