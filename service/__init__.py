"""The domain: knows no FastAPI and no Celery app."""
