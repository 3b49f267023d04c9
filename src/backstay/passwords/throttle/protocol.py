"""What a login asks before it compares a password, and what such a throttle keeps its counts in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .limits import Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One login attempt that was let through, and is counted as a failure until somebody says otherwise.

    Hand it back to the throttle that gave it. It holds hashes of the account and the address, and neither itself.
    """

    buckets: tuple[str, ...] = field(repr=False)
    """The names of the buckets it was counted in, the narrowest first."""
    at: float
    """When, by the store's clock, in seconds."""
    account: str = field(repr=False)
    """The hashed account."""
    device: str | None = field(default=None, repr=False)
    """The identifier in the device token, if a good one came with the attempt."""


class LoginThrottle(Protocol):
    """Bounds how many passwords are compared, per account, per address, and per pair of the two.

    ::

        attempt = await throttle.attempt(username, client_ip, device=cookie)   # TooManyAttempts: 429
        verified = await verify_password(password, stored_or_none)
        if verified:
            cookie = await throttle.succeeded(attempt)

    An attempt is counted before the password is compared: a thousand at once are a thousand, and a process that
    dies in between has not given a guess away. So there is nothing to call after a wrong password.

    Not promised: that an attempt let through will find a free hasher; that an owner *without* a device token gets
    in while the account is under attack. Give such an owner another way (a link by e-mail) and then call `reset`.
    """

    async def attempt(self, account: str, ip: str, /, *, device: str | None = None) -> Attempt:
        """Count an attempt and let it through, or refuse it.

        Ask for every login, and for unknown accounts as well: whoever is asked only for known ones tells
        which are known.

        Args:
            account: the name as the user typed it. Compared without regard to case or Unicode form. Where several
                names lead to one account (a handle, an address), give always the same of them; else each has counts
                of its own.
            ip: the client's address, behind proxies the one that your own proxy vouches for. What is no
                address is taken as a name.
            device: the token that `succeeded` gave to this browser, if it sent one. One that is not good is as
                none.

        Raises:
            TooManyAttempts: refused, and not counted. `retry_after` is in seconds. Answer 429.
            ThrottleUnavailable: the store did not answer, so nobody may try. Answer 503.
        """
        ...

    async def succeeded(self, attempt: Attempt, /) -> str | None:
        """The password was right: takes this attempt, and the earlier failures of the same pair, back.

        Returns:
            A token for a cookie (``HttpOnly; Secure; SameSite=Lax``), which lets this browser past what
            strangers do to the account; None where the throttle has no key for such tokens.

        Raises:
            ThrottleUnavailable: the store did not answer. The login was good all the same.
        """
        ...

    async def withdrawn(self, attempt: Attempt, /) -> None:
        """No password was compared after all (HasherBusy, a store that is down): takes just this attempt back.

        Raises:
            ThrottleUnavailable: the store did not answer.
        """
        ...

    async def reset(self, account: str, /) -> str | None:
        """The owner has shown in another way who they are: forgets the account's failures.

        Returns:
            A device token, as `succeeded` does.

        Raises:
            ThrottleUnavailable: the store did not answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One bucket to count an attempt in, and its limit."""

    bucket: str
    limit: Limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """What became of an attempt: counted everywhere, or nowhere."""

    at: float
    """The store's time, in seconds."""
    waits: tuple[float, ...] = ()
    """Seconds that each bucket demands to wait, in the order asked. All zero: the attempt was counted."""

    @property
    def admitted(self) -> bool:
        """Whether no bucket demands to wait."""
        return not any(self.waits)


class ThrottleStore(Protocol):
    """Buckets of failures, with a clock of its own. Every call is one indivisible step.

    Not promised: that a count survives the loss of the store. What it must not do is to forget a count early
    without being told: a Redis for this must not evict (``maxmemory-policy noeviction``).
    """

    async def charge(self, charges: Sequence[Charge], /) -> Charged:
        """Count one attempt in all the buckets, or in none if any of them demands to wait.

        Raises:
            ThrottleUnavailable: no answer in time.
        """
        ...

    async def refund(self, buckets: Sequence[str], /, *, at: float, whole: bool) -> None:
        """Take an attempt counted at `at` back from the buckets.

        Args:
            buckets: as in the attempt. The first is the narrowest.
            at: what `charge` said.
            whole: take back all that the first bucket holds, from it and from the others, and not only one.

        Raises:
            ThrottleUnavailable: no answer in time.
        """
        ...

    async def forget(self, buckets: Sequence[str], /) -> None:
        """Drop the buckets.

        Raises:
            ThrottleUnavailable: no answer in time.
        """
        ...
