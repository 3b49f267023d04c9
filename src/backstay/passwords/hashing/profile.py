"""How much a hash costs: the profiles one may choose, and the caps on what a stored string may demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backstay.errors import WeakHashProfile

_KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Profile:
    """Parameters of argon2id (RFC 9106).

    Raises:
        WeakHashProfile: less than what OWASP ASVS 5.0 approves in its Appendix C.
    """

    memory_kib: int
    time_cost: int
    lanes: int = 1
    salt_bytes: int = 16
    hash_bytes: int = 32

    def __post_init__(self) -> None:
        floors = ((1, 47_104), (2, 19_456), (3, 12_288))
        needed = min((memory for passes, memory in floors if self.time_cost >= passes), default=None)
        if needed is None or self.memory_kib < needed or self.lanes < 1:
            raise WeakHashProfile(
                f"argon2id with m={self.memory_kib} KiB, t={self.time_cost} is below what OWASP approves: "
                "m=47104 t=1, m=19456 t=2, or m=12288 t=3"
            )
        if self.salt_bytes < 16 or self.hash_bytes < 32:
            raise WeakHashProfile("argon2id needs a salt of at least 16 bytes and a hash of at least 32")

    @property
    def memory_bytes(self) -> int:
        """What one hash keeps in memory while it runs."""
        return self.memory_kib * _KIB


OWASP: Final = Argon2Profile(memory_kib=19_456, time_cost=2)
"""The default: 19 MiB, two passes (OWASP Password Storage Cheat Sheet)."""

OWASP_46_MIB: Final = Argon2Profile(memory_kib=47_104, time_cost=1)
"""46 MiB, one pass: as strong, for machines with more memory than cores."""

RFC_9106_LOW_MEMORY: Final = Argon2Profile(memory_kib=65_536, time_cost=3, lanes=4)
"""The second recommendation of RFC 9106. About eight times the work of `OWASP`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostCaps:
    """The most that a stored hash may demand. A string beyond it is refused before any work is done.

    Stored hashes may come from an import or a compromised database; `t=4294967295` would hold a core for
    days.
    """

    memory_bytes: int = 256 * _KIB * _KIB
    argon2_passes: int = 32
    argon2_work_kib: int = 1024 * _KIB
    """Memory times passes, in KiB: bounds the time of one hash to a few seconds."""
    lanes: int = 16
    bcrypt_cost: int = 15
    pbkdf2_iterations: int = 5_000_000
    scrypt_work_bytes: int = 1024 * _KIB * _KIB
    """128 × N × r × p."""
    sha_crypt_rounds: int = 1_000_000
