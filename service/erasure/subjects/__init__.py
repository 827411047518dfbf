"""Finding where a text about a person stands, before it is deleted there."""
