"""`python -m tunecurve` is the `tunecurve` command."""

from tunecurve.cli import main

main()
