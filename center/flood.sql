SELECT began_at FROM alarm_flood WHERE ended_at IS NULL
