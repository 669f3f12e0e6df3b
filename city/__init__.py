"""The language that all parts share: events, catalogue, zones, settings, storage, Kafka, time."""
