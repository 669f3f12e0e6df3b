"""Kafka → database, exactly once."""
