"""What a task's rows, prompts and groups are."""
