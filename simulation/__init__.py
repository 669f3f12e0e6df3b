"""A simulated city, replay of recorded data, drills."""
