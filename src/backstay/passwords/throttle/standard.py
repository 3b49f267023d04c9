"""The throttle that applications use: which buckets an attempt is counted in."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import unicodedata
from dataclasses import dataclass, field
from typing import Final, NoReturn

from backstay.errors import ThrottleUnavailable, TooManyAttempts
from backstay.events import Emitter
from backstay.passwords.events import AttemptAdmitted, AttemptRefused, ThrottleFailed

from .devices import DeviceTokens
from .limits import Limit
from .protocol import Attempt, Charge, Charged, LoginThrottle, ThrottleStore

_MONTH: Final = 30 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limit of each kind of bucket."""

    pair: Limit = field(default=Limit(free=5))
    """One account from one address."""
    account: Limit = field(default=Limit(free=10, cap=100, memory=_MONTH))
    """One account from everywhere. No more than 100 failures (NIST SP 800-63B-4, 3.2.2): after the hundredth,
    nobody without a device token gets a try at this account for 30 days, unless it is reset."""
    ip: Limit = field(default=Limit(free=30, forgive=60.0))
    """One address at all accounts: many people may be behind it, so its failures are forgiven with time."""
    device: Limit = field(default=Limit(free=5, cap=100, memory=_MONTH))
    """One account from a browser in which its owner has logged in."""


class StandardThrottle:
    """Counts a stranger's attempt per pair, per account and per address; a known device's only per device.

    What follows from the default limits, however many addresses an attacker has: at most 100 passwords of an
    account are compared within 30 days; and however many failures there are, the owner's known devices are not
    refused for them. A refused attempt is not counted and lengthens no wait.

    Not promised: that one password tried at many accounts, each from another address, is slowed down; no count here
    sees that.
    """

    def __init__(
        self,
        store: ThrottleStore,
        *,
        devices: DeviceTokens | None = None,
        limits: Limits | None = None,
        ipv6_prefix: int = 64,
        emitter: Emitter | None = None,
    ) -> None:
        """A throttle over a store.

        Args:
            store: where the counts are. All processes that serve logins share one.
            devices: without it no device tokens are issued or accepted, and an attacker can keep an owner out.
            limits: other limits than the default ones.
            ipv6_prefix: addresses that share so many bits are taken for one: a customer gets a whole network.
            emitter: told of every attempt.
        """
        self._store = store
        self._devices = devices
        self._limits = limits if limits is not None else Limits()
        self._prefix = ipv6_prefix
        self._emit = emitter if emitter is not None else Emitter()

    async def attempt(self, account: str, ip: str, /, *, device: str | None = None) -> Attempt:
        """Count an attempt and let it through, or raise; see `LoginThrottle.attempt`."""
        owner = account_key(account)
        known = self._devices.device_of(device, owner) if self._devices is not None and device else None
        charges = self._strangers(owner, ip) if known is None else self._known(owner, known)
        try:
            answer = await self._store.charge([charge for _, charge in charges])
        except ThrottleUnavailable as exc:
            self._emit(ThrottleFailed(reason=str(exc)))
            raise
        if not answer.admitted:
            self._refuse([kind for kind, _ in charges], answer)
        self._emit(AttemptAdmitted(known_device=known is not None))
        buckets = tuple(charge.bucket for _, charge in charges)
        return Attempt(buckets=buckets, at=answer.at, account=owner, device=known)

    async def succeeded(self, attempt: Attempt, /) -> str | None:
        """Take back what this pair failed, and issue a device token; see `LoginThrottle.succeeded`."""
        await self._store.refund(attempt.buckets, at=attempt.at, whole=True)
        return self._token(attempt.account, attempt.device)

    async def withdrawn(self, attempt: Attempt, /) -> None:
        """Take back this one attempt; see `LoginThrottle.withdrawn`."""
        await self._store.refund(attempt.buckets, at=attempt.at, whole=False)

    async def reset(self, account: str, /) -> str | None:
        """Forget what strangers failed at the account, and issue a device token; see `LoginThrottle.reset`."""
        owner = account_key(account)
        await self._store.forget([f"account:{owner}"])
        return self._token(owner, None)

    def _token(self, owner: str, device: str | None) -> str | None:
        return None if self._devices is None else self._devices.issue(owner, device=device)

    def _strangers(self, owner: str, ip: str) -> list[tuple[str, Charge]]:
        address = _hashed("ip", network_of(ip, self._prefix))
        return [
            ("pair", Charge(bucket=f"pair:{owner}:{address}", limit=self._limits.pair)),
            ("account", Charge(bucket=f"account:{owner}", limit=self._limits.account)),
            ("ip", Charge(bucket=f"ip:{address}", limit=self._limits.ip)),
        ]

    def _known(self, owner: str, device: str) -> list[tuple[str, Charge]]:
        return [("device", Charge(bucket=f"device:{owner}:{device}", limit=self._limits.device))]

    def _refuse(self, kinds: list[str], answer: Charged) -> NoReturn:
        retry_after, kind = max(zip(answer.waits, kinds, strict=True))
        self._emit(AttemptRefused(bucket=kind, retry_after=retry_after))
        # The text does not say which limit: that would tell whether others try this account as well.
        raise TooManyAttempts(
            f"too many login attempts: try again in {math.ceil(retry_after)} s", retry_after=retry_after
        )


def account_key(account: str) -> str:
    """A hash of the name, in the form in which ``Ada``, ``ADA`` and compatible Unicode forms are one."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", account).casefold()).strip()
    return _hashed("account", folded)


def network_of(ip: str, ipv6_prefix: int = 64) -> str:
    """The address that attempts are counted under: IPv4 whole, IPv6 cut to its network, anything else as it is."""
    try:
        address = ipaddress.ip_address(ip.strip().partition("%")[0])
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, ipv6_prefix), strict=False))


def _hashed(kind: str, text: str) -> str:
    # Of fixed length and a plain alphabet, whatever was typed; and no list of names in the store.
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=kind.encode()).hexdigest()


_: type[LoginThrottle] = StandardThrottle
