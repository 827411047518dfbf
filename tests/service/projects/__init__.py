"""Tests of projects and keys."""
