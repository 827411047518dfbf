"""What a preparation found, as data and as a page."""
