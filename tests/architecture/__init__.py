"""Tests of the house: contracts, rules, containers."""
