"""Objects in Cloud Storage or a local folder, and rows as files."""
