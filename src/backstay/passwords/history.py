"""Earlier passwords: not again, and not almost again."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from backstay.secret import Secret

from .hashing import PasswordHasher
from .strength import fold, skeleton

MOST_REMEMBERED: Final = 24
"""Hashes that a check compares at most: each costs a full verification."""

_LONGEST_COMPARED = 256
_TOO_SIMILAR = 0.7


async def was_used(
    password: str | Secret, history: Iterable[str], *, hasher: PasswordHasher, last: int = 5
) -> bool:
    """Whether the password belongs to one of the newest `last` stored hashes.

    Every hash is compared, also after a hit: the time does not tell which. Costs `last` verifications.

    Raises:
        HasherBusy: no time for it; answer 503.
        MalformedHash: the history holds a text that is no hash.
    """
    password = Secret.of(password)
    found = False
    for stored in list(history)[: min(last, MOST_REMEMBERED)]:
        found |= bool(await hasher.verify(password, stored, rehash=False))
    return found


def is_similar(password: str | Secret, current: str | Secret) -> bool:
    """Whether a new password is the current one with small changes: case, l33t, a new tail, an insertion.

    Needs the current password as the user just typed it; nobody has it otherwise. Bounded: 256 characters
    of each.
    """
    new, old = _core(Secret.of(password)), _core(Secret.of(current))
    if new == old:
        return True
    shorter, longer = sorted((new, old), key=len)
    if len(shorter) >= 6 and (shorter in longer or shorter[::-1] in longer) and len(longer) < 2 * len(shorter):
        return True
    matcher = SequenceMatcher(None, new, old, autojunk=False)
    return matcher.quick_ratio() >= _TOO_SIMILAR and matcher.ratio() >= _TOO_SIMILAR


def _core(password: Secret) -> str:
    folded = skeleton(fold(unicodedata.normalize("NFC", password.reveal()[:_LONGEST_COMPARED])))
    stripped = folded.rstrip("0123456789!@#$%&*.?_-+= ")
    return stripped if len(stripped) >= 4 else folded


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Compares with the hashes in `About.history`. Give one to a policy to switch the comparison on."""

    hasher: PasswordHasher
    last: int = 5

    async def has(self, password: Secret, hashes: tuple[str, ...]) -> bool:
        """Whether it was used before; raises as `was_used` does."""
        return await was_used(password, hashes, hasher=self.hasher, last=self.last)
