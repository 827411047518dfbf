"""The Celery side: claim, call, finish."""
