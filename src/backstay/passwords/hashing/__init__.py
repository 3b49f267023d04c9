"""Password hashes: made with argon2id, verified in every common format."""

from .formats import read
from .hasher import PasswordHasher, Verification, ambient_hasher, hash_password, verify_password
from .profile import OWASP, OWASP_46_MIB, RFC_9106_LOW_MEMORY, Argon2Profile, CostCaps

__all__ = [
    "OWASP",
    "OWASP_46_MIB",
    "RFC_9106_LOW_MEMORY",
    "Argon2Profile",
    "CostCaps",
    "PasswordHasher",
    "Verification",
    "ambient_hasher",
    "hash_password",
    "read",
    "verify_password",
]
