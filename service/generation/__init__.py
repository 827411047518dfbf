"""Single calls outside jobs: one text put to a base or tuned model."""
