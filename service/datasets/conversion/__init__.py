"""Source rows become examples."""
