"""The tuning part: jobs, their queue and the process that learns."""
