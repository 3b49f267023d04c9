"""Signing in by password: throttled, and giving away nothing about who has an account.

An unknown name, a wrong password and a disabled account get the same answer after the same work: the throttle is
asked for all of them, and one password is compared (with nothing, where there is no account).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from backstay.container import Backstay
from backstay.errors import HasherBusy, NotConfiguredError, RequestRefused
from backstay.secret import Secret

from .challenges import Challenges


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What signing in needs to know of a user."""

    id: str
    """What becomes the `sub` of tokens."""
    password_hash: str = field(repr=False)
    is_active: bool = True
    """Whether it may sign in at all; one that may not is as if it were not there."""
    scopes: frozenset[str] = frozenset()
    """What its sessions may be given; a client asks for less, never for more."""


class Accounts(Protocol):
    """Where accounts are kept: your table of users."""

    async def find(self, username: str, /) -> Account | None:
        """The account of a name as it was typed, or None. Takes about as long either way."""
        ...

    async def store_hash(self, account_id: str, password_hash: str, /) -> None:
        """Replace the stored hash: the old one was right, and is of an older scheme or profile."""
        ...


class SignedIn(NamedTuple):
    """Whose password was right, and the token by which the throttle will know this browser again."""

    account: Account
    device: str | None


async def sign_in(
    kit: Backstay, accounts: Accounts, challenges: Challenges, attempt: tuple[str, Secret, str, str | None], /
) -> SignedIn:
    """Compare the password of (username, password, client's address, device token).

    Raises:
        RequestRefused: 401; the same for every reason.
        TooManyAttempts: answer 429.
        ThrottleUnavailable: answer 503; nobody may try.
        HasherBusy: answer 503. The attempt is not counted.
    """
    if kit.throttle is None:
        raise NotConfiguredError("this Backstay was made without a login throttle: open it with Backstay.open()")
    username, password, address, device = attempt
    counted = await kit.throttle.attempt(username, address, device=device)
    try:
        account = await accounts.find(username)
        verified = await _compare(kit, account, password)
    except HasherBusy:
        await kit.throttle.withdrawn(counted)
        raise
    if account is None or not verified:
        raise wrong(challenges)
    if verified.new_hash is not None:
        await accounts.store_hash(account.id, verified.new_hash)
    return SignedIn(account, await kit.throttle.succeeded(counted))


async def _compare(kit: Backstay, account: Account | None, password: Secret) -> Any:
    stored = account.password_hash if account is not None and account.is_active else None
    return await kit.hasher.verify(password, stored)


def wrong(challenges: Challenges, /) -> RequestRefused:
    """401: the same whether the name, the password or the account's state was the reason."""
    headers = challenges.missing().headers
    return RequestRefused("the name or the password is wrong", status=401, error="invalid_grant", headers=headers)
