"""Paid calls: pace, retries, storing, reading of answers."""
