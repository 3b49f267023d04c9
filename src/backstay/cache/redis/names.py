"""What a key, its lease, a lock and the log are called in Redis (pure).

Below a configured prefix::

    {:KEY}    the entry             {:KEY}l   its lease: token and epoch
    {log}e    the epoch             {log}z    the log: one scope per member, scored by its epoch
    {=NAME}   a lock                {=NAME}f  its fence, without expiry
                                    {=NAME}q  who waits for it

The braces put what one script touches into one hash slot, whatever KEY contains: the first brace is ours and
what stands behind it is never empty.
"""

from __future__ import annotations

from collections.abc import Sequence


class Names:
    """All names below one prefix."""

    def __init__(self, prefix: str) -> None:
        self.epoch = encode(prefix) + b"{log}e"
        self.log = (encode(prefix) + b"{log}z", self.epoch)
        """The log and its epoch: what the scripts about it take."""
        self._text = prefix + "{:"
        self._between = "}\0" + self._text
        self._ascii = prefix.isascii()
        self._entry = encode(self._text)
        self._lock = encode(prefix) + b"{="

    def entry(self, key: str) -> bytes:
        """Of the entry under a key."""
        return self._entry + (key.encode() if key.isascii() else encode(key)) + b"}"

    def entries(self, keys: Sequence[str]) -> Sequence[bytes | str]:
        """`entry` for each of them: as text where that is ASCII, which is packed faster than we could encode it."""
        if self._ascii:
            # Put together and taken apart at a byte that is in no usual key: half the time of doing each.
            names = f"{self._text}{self._between.join(keys)}}}"
            if names.isascii() and len(split := names.split("\0")) == len(keys):
                return split
        return [self.entry(key) for key in keys]

    def entry_and_lease(self, key: str) -> tuple[bytes, bytes]:
        """Of the entry and of its lease."""
        entry = self._entry + (key.encode() if key.isascii() else encode(key)) + b"}"  # `entry`, spelt out
        return entry, entry + b"l"

    def lock(self, name: str) -> tuple[bytes, bytes, bytes]:
        """Of a lock, of its fence, and of the queue of those who wait."""
        lock = b"%s%s}" % (self._lock, encode(name))
        return lock, lock + b"f", lock + b"q"

    def lock_name(self, name: bytes) -> str | None:
        """Which lock has this name; None if it is something else's."""
        return decode(name[len(self._lock) : -1]) if name.startswith(self._lock) and name.endswith(b"}") else None

    def key(self, name: bytes) -> str | None:
        """The key whose entry or lease has this name; None if it is something else's."""
        if not name.startswith(self._entry):
            return None
        inner = name.removesuffix(b"l") if name.endswith(b"}l") else name
        return decode(inner[len(self._entry) : -1])


def encode(text: str) -> bytes:
    """Text as Redis is given it. Lone surrogates are kept: they are part of somebody's key."""
    return text.encode("utf-8", "surrogatepass")


def decode(raw: bytes) -> str:
    """The inverse."""
    return raw.decode("utf-8", "surrogatepass")
