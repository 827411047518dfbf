"""The catalogue of base models: what is known of each, and what using it costs."""
