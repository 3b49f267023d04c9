"""A memory of tokens that were verified a moment ago, so that the same bearer's next request costs a look-up.

What makes it safe:

1. The key is the SHA-256 of the whole text, and only canonical texts are ever put in: two texts that share a
   signature share no entry. The text itself is not kept.
2. Only a token that passed every check gets in. A refused one leaves no trace, so nobody without a key can
   fill or flush the memory.
3. A hit skips the signature and the parsing, nothing else: the times, the profile and the presence of the key
   are checked again, and revocation is asked after a hit as after a miss.
4. What depends on the request (a proof, a scope decision, the user's row) is not in it.
5. Entries are bounded in number and in age, and are immutable.
"""

from __future__ import annotations

from hashlib import sha256

from .claims import TokenProfile, VerifiedToken
from .protocol import KeySource

_EMPTY = sha256()  # copied, for OpenSSL looks an algorithm up anew for each hash that is begun by its name


class VerifiedCache:
    """At most `size` verified tokens, each for at most `max_age` seconds. For one codec."""

    def __init__(self, *, size: int = 4096, max_age: float = 60.0) -> None:
        if size < 1 or not 0 < max_age <= 300:
            raise ValueError("a cache has room for one token, and an age of at most five minutes")
        self._size = size
        self._max_age = max_age
        self._entries: dict[bytes, tuple[VerifiedToken, TokenProfile, float, float]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, token: str, keys: KeySource, expect: TokenProfile, now: float) -> VerifiedToken | None:
        """The token, if it was verified under this very profile and nothing has changed since."""
        # A text that is too long, or not ASCII, was never put in; hashing it would only cost.
        if type(token) is not str or len(token) > expect.max_bytes or not token.isascii():
            return None
        digest = _digest(token)
        entry = self._entries.get(digest)
        if entry is None:
            return None
        found, profile, put_at, end = entry
        if (
            put_at <= now < end  # before: the clock went back
            and profile is expect
            and found.key_version == keys.version
            and keys.verification_key(found.kid) is not None
        ):
            return found
        del self._entries[digest]
        return None

    def put(self, token: str, verified: VerifiedToken, expect: TokenProfile, now: float) -> None:
        """Remember a token that has just passed every check of `expect`."""
        if expect.max_age is not None:
            return  # its age would have to be judged again on every hit
        end = min(verified.expires_at + expect.leeway_seconds, now + self._max_age)
        self._entries[_digest(token)] = (verified, expect, now, end)
        # The oldest, not the least used: its time is nearly over anyway, and a hit has nothing to write.
        if len(self._entries) > self._size:
            del self._entries[next(iter(self._entries))]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


def _digest(token: str) -> bytes:
    digest = _EMPTY.copy()
    digest.update(token.encode())
    return digest.digest()
