"""One module a room, as in the service."""
