"""Admission of calls: quotas, faults drawn by seed, delays, and broken connections."""
