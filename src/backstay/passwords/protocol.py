"""What a password policy is, and what it is told about the user."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from backstay.secret import Secret

from .verdict import PasswordVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is known of the user and of the occasion.

    Everything is optional; the more, the better the check.
    """

    username: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)
    context: tuple[str, ...] = field(default=(), repr=False)
    """Words of the service: its name, products, departments (ASVS 5.0, 6.1.2)."""
    history: tuple[str, ...] = field(default=(), repr=False)
    """Stored hashes of earlier passwords, the newest first."""
    current: Secret | None = field(default=None, repr=False)
    """The current password, at a change, as the user just typed it."""

    @classmethod
    def user(cls, username: str | None = None, email: str | None = None, context: Iterable[str] = ()) -> About:
        """The usual three."""
        return cls(username=username, email=email, context=tuple(context))


class PasswordPolicy(Protocol):
    """Decides whether a password may be set.

    Not promised: that the same password gets the same verdict tomorrow (breach data grows, estimates
    improve), or
    that an accepted password is strong. A policy keeps no password and tells none to anybody; what leaves
    this
    process, if anything, is said by the implementation.
    """

    async def check(self, password: str | Secret, about: About, /) -> PasswordVerdict:
        """The verdict; a refusal is a value and no exception.

        Cancelling it leaves nothing behind. Never blocks the event loop for more than about 10 ms.

        Raises:
            HasherBusy: the history could not be compared in time, where there is one.
            MalformedHash: the history holds a text that is no hash.
        """
        ...
