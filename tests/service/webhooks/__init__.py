"""Tests of events and their delivery."""
