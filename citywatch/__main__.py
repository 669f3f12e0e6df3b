"""`python -m citywatch` is `citywatch`."""

from citywatch.main import main

main()
