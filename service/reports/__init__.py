"""Read-only SQL across rooms, for the dashboard."""
