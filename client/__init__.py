"""The Python client, the tunecurve command and the embedded stack."""
