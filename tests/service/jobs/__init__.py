"""Tests of the life of jobs."""
