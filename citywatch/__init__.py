"""The command line and the embedded supervisor; nothing imports it."""
