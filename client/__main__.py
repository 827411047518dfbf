"""`python -m client` is the `tunecurve` command."""

from client.cli import main

main()
