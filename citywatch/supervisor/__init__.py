"""The demo's supervisor: starts the same processes that production runs, and keeps them running."""
