"""The REST resources under /api/v1, one a module; each has a `router`."""
