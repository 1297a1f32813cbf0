"""`python -m tuner.cli` is the `tune` command."""

from tuner.cli import main

main()
