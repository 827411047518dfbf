"""What an evaluation sends, stage by stage: trial prompts, requests, judges, Google's metrics."""
