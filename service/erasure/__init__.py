"""Deleting outputs, jobs and projects, with all they leave outside the database."""
