"""`python -m imaged`."""

from imaged.cli import main

main()
