"""HTTP and WebSocket: what screens, scripts and publishers without Kafka talk to."""
