"""One module a command of `citywatch`; each is imported only when its command runs."""
