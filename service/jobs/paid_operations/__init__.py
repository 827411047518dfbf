"""Paid operations at a provider: sent once, found again after doubt, polled by one sweep."""
