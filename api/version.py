"""The version of this server, the same as the package's (a test compares them)."""

VERSION = "0.1.0"
