"""The kinds of model a tuning can become, one file each."""
