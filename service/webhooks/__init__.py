"""Events, and their signed delivery to endpoints."""
