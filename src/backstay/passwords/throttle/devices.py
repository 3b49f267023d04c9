"""Device tokens: by them a browser in which the owner logged in before is told from all others.

The idea is OWASP's ("Slow Down Online Guessing Attacks with Device Cookies"). A token is no credential: it lets
nobody in. It only says which bucket an attempt is counted in, so that strangers who fail at an account cannot keep
its owner out. It is bound to one account, and one for another is worth nothing.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import Final

from backstay.clock import Clock, SystemClock
from backstay.errors import ConfigError
from backstay.secret import Secret

_FORM: Final = re.compile(r"1\.(?P<id>[A-Za-z0-9_-]{22})\.(?P<issued>[0-9]{1,12})\.(?P<mac>[A-Za-z0-9_-]{43})")
_PURPOSE: Final = b"backstay device token 1\0"
_LEEWAY: Final = 60


class DeviceTokens:
    """Issues and reads device tokens. Keeps nothing: what it knows of a device stands in the token."""

    def __init__(
        self,
        key: Secret,
        *,
        previous: Sequence[Secret] = (),
        lifetime: float = 180 * 86_400.0,
        clock: Clock | None = None,
    ) -> None:
        """Tokens under a key that all processes of the service share.

        Args:
            key: at least 32 characters, from a secret store.
            previous: keys whose tokens are still good; for a change of keys.
            lifetime: seconds that a token is good for. Each login renews it.
            clock: whose wall clock says when a token was issued.

        Raises:
            ConfigError: a key that is too short, or no lifetime.
        """
        if any(len(each.reveal()) < 32 for each in (key, *previous)) or lifetime <= 0:
            raise ConfigError("a key for device tokens has at least 32 characters, and a lifetime is above 0 s")
        self._keys = (key, *previous)
        self._lifetime = lifetime
        self._clock: Clock = clock if clock is not None else SystemClock()

    def issue(self, account: str, *, device: str | None = None) -> str:
        """A token for this account: for a new device, or a renewed one for the device given."""
        chosen = device if device is not None else secrets.token_urlsafe(16)
        issued = str(int(self._clock.now().timestamp()))
        return f"1.{chosen}.{issued}.{_mac(self._keys[0], account, chosen, issued)}"

    def device_of(self, token: str, account: str) -> str | None:
        """The device's identifier, if the token is good for this account; None for any that is not."""
        match = _FORM.fullmatch(token) if len(token) <= 128 else None
        if match is None:
            return None
        good = False
        for key in self._keys:
            expected = _mac(key, account, match["id"], match["issued"])
            good |= hmac.compare_digest(expected, match["mac"])
        age = self._clock.now().timestamp() - int(match["issued"])
        return match["id"] if good and -_LEEWAY <= age < self._lifetime else None


def _mac(key: Secret, account: str, device: str, issued: str) -> str:
    # The parts cannot be shifted into each other: the account is a hash of fixed length, the others have no dot.
    message = _PURPOSE + f"{account}.{device}.{issued}".encode()
    return base64.urlsafe_b64encode(hmac.digest(key.reveal().encode(), message, "sha256")).decode().rstrip("=")
