"""Servers that need no installation: PostgreSQL, a Kafka-compatible broker, Apache Kafka for tests and benches."""
