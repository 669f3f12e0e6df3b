"""Rules → alerts → people."""
