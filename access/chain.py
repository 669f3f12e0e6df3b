"""The chain of the audit trail: what a row's hash must be, and what a trail that does not hold tells. Pure.

A trail is read once, from its first row to its last, with a bounded memory of the rows that do not fit. Each of these
leaves its own trace: a row edited, removed (with or without the rest renumbered), two rows swapped, a tail cut off,
rows written anew up to a head that was kept elsewhere.
"""

import hashlib
from typing import Final, Literal

import msgspec

FIRST: Final = bytes(32)
MOST_WRONG: Final = 200
"""Rows that do not fit and are kept to be explained; the rest is only counted."""
FARTHEST: Final = 200
"""How far rows may have been renumbered to be recognised as that."""
MOST_SEARCHES: Final = 20
"""Searches for a renumbering in one trail; a trail that is wrong everywhere is not worth more."""


class Head(msgspec.Struct, frozen=True):
    """The newest row's number and hash; written SEQ:HASH."""

    seq: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """Raises ValueError."""
        seq, _, digest = text.strip().partition(":")
        try:
            hash_ = bytes.fromhex(digest)
        except ValueError:
            hash_ = b""
        if not (seq.isascii() and seq.isdecimal()) or len(hash_) != 32:
            raise ValueError(f"{text!r} is no head; give SEQ:HASH as `citywatch audit head` prints it")
        return cls(int(seq), hash_)


class Entry(msgspec.Struct, frozen=True):
    """One row; `at` in µs since the epoch, `before` and `after` JSON texts."""

    seq: int
    at: int
    actor_kind: str
    actor_id: str
    actor: str
    address: str | None
    action: str
    object: str
    before: str | None
    after: str | None
    hash: bytes

    def digest(self, previous: bytes, seq: int | None = None) -> bytes:
        """What the hash must be, standing after `previous` at this number (or at another one)."""
        fields = (
            str(self.seq if seq is None else seq),
            str(self.at),
            self.actor_kind,
            self.actor_id,
            self.actor,
            self.address,
            self.action,
            self.object,
            self.before,
            self.after,
        )
        return hashlib.sha256(previous + b"".join(map(netstring, fields))).digest()


class Fault(msgspec.Struct, frozen=True):
    """Something that an append-only trail cannot contain, and at which number."""

    seq: int
    kind: Literal["edited", "removed", "inserted", "swapped", "truncated", "rewritten"]
    sentence: str


class Verdict(msgspec.Struct, frozen=True):
    """What a verification found, by number; `rows` were read, `head` is that of the last one."""

    rows: int
    head: Head
    faults: list[Fault]


class _Wrong(msgspec.Struct):
    """A row that does not follow the one before it: its entry, its true number, and the hash that stood before it."""

    entry: Entry
    seq: int
    previous: bytes


class Chain:
    """Takes the rows in the order of their numbers, then says what is wrong with them."""

    def __init__(self, kept: Head | None = None) -> None:
        self._kept = kept
        self._rows = 0
        self._last = Head(0, FIRST)
        self._shift = 0
        self._faults: list[Fault] = []
        self._wrong: list[_Wrong] = []
        self._untold = 0
        self._searches = 0

    def take(self, entry: Entry) -> None:
        """The next row."""
        self._rows += 1
        if entry.seq > self._last.seq + 1:
            self._missing(self._last.seq + 1, entry.seq - 1)
        elif entry.digest(self._last.hash, entry.seq + self._shift) != entry.hash:
            self._does_not_fit(entry)
        if self._kept is not None and entry.seq + self._shift == self._kept.seq and entry.hash != self._kept.hash:
            sentence = f"row {entry.seq} does not end in the hash that was kept: rows up to it were written anew"
            self._faults.append(Fault(entry.seq, "rewritten", sentence))
        self._last = Head(entry.seq, entry.hash)

    def verdict(self, counted: Head | None) -> Verdict:
        """`counted` is the head as the database has it."""
        self._last_one_renumbered(counted)
        faults = [*self._faults, *_explained(self._wrong)]
        if self._untold:
            sentence = f"{self._untold} more rows do not follow the rows before them"
            faults.append(Fault(self._wrong[-1].entry.seq, "edited", sentence))
        faults += self._ending(counted)
        return Verdict(self._rows, self._last, sorted(faults, key=lambda fault: fault.seq))

    def _missing(self, first: int, last: int) -> None:
        which = f"row {first} is" if first == last else f"rows {first} to {last} are"
        self._faults.append(Fault(first, "removed", f"{which} gone"))

    def _does_not_fit(self, entry: Entry) -> None:
        moved = self._renumbered(entry)
        if moved is not None:
            self._moved(moved)
        elif len(self._wrong) < MOST_WRONG:
            self._wrong.append(_Wrong(entry, entry.seq + self._shift, self._last.hash))
        else:
            self._untold += 1

    def _moved(self, moved: int) -> None:
        self._shift += moved
        begin = self._wrong.pop().entry.seq  # the first row after the place follows nothing that is left
        rows = "a row was" if abs(moved) == 1 else f"{abs(moved)} rows were"
        if moved > 0:
            sentence = f"{rows} taken out before row {begin}, and all after it renumbered"
            self._faults.append(Fault(begin, "removed", sentence))
        else:
            sentence = f"{rows} put in before row {begin}, and all after it renumbered"
            self._faults.append(Fault(begin, "inserted", sentence))

    def _renumbered(self, entry: Entry) -> int | None:
        """How much later the row once stood, if the row before it is wrong too and this one fits it so."""
        if not self._wrong or self._wrong[-1].entry.seq != self._last.seq or self._searches >= MOST_SEARCHES:
            return None
        self._searches += 1
        for distance in range(1, FARTHEST + 1):
            for moved in (distance, -distance):
                seq = entry.seq + self._shift + moved
                if seq > 0 and entry.digest(self._last.hash, seq) == entry.hash:
                    return moved
        return None

    def _last_one_renumbered(self, counted: Head | None) -> None:
        """No row follows the last one to tell where it stood, but a head does."""
        if not self._wrong or self._wrong[-1].entry.seq != self._last.seq:
            return
        for known in (self._kept, counted):
            if known is not None and known.hash == self._last.hash and known.seq != self._last.seq + self._shift:
                self._moved(known.seq - self._last.seq - self._shift)
                return

    def _ending(self, counted: Head | None) -> list[Fault]:
        last = Head(self._last.seq + self._shift, self._last.hash)
        if counted is None:
            return [
                Fault(last.seq + 1, "truncated", "the database's own count is gone: nobody can say what is missing")
            ]
        for known, whose in ((self._kept, "the head that was kept"), (counted, "the database's own count")):
            if known is not None and known.seq > last.seq and known.hash != last.hash:
                ends = f"the trail ends at row {self._last.seq}" if self._rows else "the trail is empty"
                sentence = f"{ends}, {whose} is at {known.seq}: the rows after it are gone"
                return [Fault(self._last.seq + 1, "truncated", sentence)]
        if counted.hash == last.hash:
            return []
        if counted.seq < last.seq:
            sentence = f"the database's own count ends at {counted.seq}: what follows was not appended"
            return [Fault(counted.seq + 1, "inserted", sentence)]
        sentence = f"row {self._last.seq} does not end in the hash of the database's own count: it was written anew"
        return [Fault(self._last.seq, "rewritten", sentence)]


def netstring(field: str | None) -> bytes:
    """A text with its length in bytes before it, so that no two rows of fields join to the same; None is `-,`."""
    if field is None:
        return b"-,"
    data = field.encode()
    return b"%d:%s," % (len(data), data)


def _explained(wrong: list[_Wrong]) -> list[Fault]:
    """Two rows that changed places fit where the other stands, whether they took their hashes along or not."""
    faults: list[Fault] = []
    left = list(wrong)
    true_hash: dict[int, bytes] = {}  # of places whose row took its hash along
    while left:
        row = left.pop(0)
        previous = true_hash.get(row.seq - 1, row.previous)
        if row.entry.digest(previous, row.seq) == row.entry.hash:
            continue  # it only stood after a hash that was carried away
        other = next((o for o in left if o.entry.digest(previous, row.seq) in (o.entry.hash, row.entry.hash)), None)
        if other is None:
            sentence = f"row {row.entry.seq} is not what was written, or row {row.entry.seq - 1} was given another hash"
            faults.append(Fault(row.entry.seq, "edited", f"{sentence} ({_what(row.entry)})"))
            continue
        if other.entry.digest(previous, row.seq) == other.entry.hash:
            true_hash[row.seq], true_hash[other.seq] = other.entry.hash, row.entry.hash
        left.remove(other)
        sentence = f"rows {row.entry.seq} and {other.entry.seq} have changed places"
        faults.append(Fault(row.entry.seq, "swapped", sentence))
        faults += _still_wrong(row.entry, other, true_hash)
    return faults


def _still_wrong(moved: Entry, place: _Wrong, true_hash: dict[int, bytes]) -> list[Fault]:
    """What of a swap the other half does not bear out: the earlier row's content must fit the later place."""
    previous = true_hash.get(place.seq - 1, place.previous)
    if moved.digest(previous, place.seq) in (moved.hash, place.entry.hash):
        return []
    return [Fault(place.entry.seq, "edited", f"row {place.entry.seq} is not what was written ({_what(place.entry)})")]


def _what(entry: Entry) -> str:
    return f"{entry.action} of {entry.object} by {entry.actor}"
