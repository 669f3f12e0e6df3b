"""The memory that requests at the HTTP door hold together: bounded, whatever each of them brings and however slowly."""

from typing import Self

from city import metrics


class Busy(Exception):
    """Too much is in hand already."""


class Room:
    """What one request holds, from its first byte until it is answered. A context manager."""

    def __init__(self, rooms: "Rooms") -> None:
        self._rooms = rooms
        self._held = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rooms.give_back(self._held)

    def fill(self, size: int) -> None:
        """Holds `size` bytes more. Raises Busy if there is no room."""
        self._rooms.hold(size)
        self._held += size


class Rooms:
    """Room for requests, `most` bytes together."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def room(self) -> Room:
        """Room for one request; its body is counted as it is read, so that slow bodies are bounded together too."""
        return Room(self)

    def hold(self, size: int) -> None:
        """Counts bytes in hand. Raises Busy above `most`."""
        if self._held + size > self._most:
            raise Busy
        self._held += size
        metrics.HTTP_ROOM_BYTES.set(self._held)

    def give_back(self, size: int) -> None:
        """Counts bytes no more."""
        self._held -= size
        metrics.HTTP_ROOM_BYTES.set(self._held)
