"""The model registry and its endpoints, as far as tunings fill them."""
