"""Training curves: read from the provider, kept, and searched for overfitting."""
