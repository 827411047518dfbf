"""A local server speaking the Vertex AI and Cloud Storage protocols, whose models truly learn."""
