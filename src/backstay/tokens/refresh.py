"""The text of a refresh token: a position in a session, and a MAC that proves that we gave it out.

``bsr1.<kid>.<family>.<generation>.<HMAC-SHA256>``. Nothing about a token is stored: the next one follows from
the secret, the family and the generation, so that every racer who asks is given the *same* successor, and a
copy of the store is worth nothing. A forged text is refused before any store is asked.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from backstay.errors import InvalidToken, KeyRejected, TokenReason

from . import base64url

PREFIX = "bsr1"
MAX_LENGTH = 512
_FORM = re.compile(
    r"bsr1\.(?P<kid>[A-Za-z0-9_-]{1,64})\.(?P<family>[A-Za-z0-9_-]{22})\.(?P<generation>0|[1-9][0-9]{0,11})"
    r"\.(?P<mac>[A-Za-z0-9_-]{43})",
    re.ASCII,
)
_KID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where in which session a refresh token stands."""

    kid: str
    family: str
    generation: int


class RefreshSecrets:
    """The secrets that refresh tokens are made with, by identifier; new ones with `current`.

    To rotate, add a secret, make it current once every process knows it, and remove the old one when the
    idle time of sessions has passed: each session moves to the current one with its next refresh. To answer
    a leak, remove the old one at once: every session made with it must log in again.
    """

    __slots__ = ("_keyed", "current")

    def __init__(self, secrets_by_kid: Mapping[str, bytes], *, current: str) -> None:
        """Raises KeyRejected for secrets of less than 32 bytes, and when `current` is not among them."""
        if current not in secrets_by_kid:
            raise KeyRejected("the current refresh secret is not among the secrets")
        for kid, secret in secrets_by_kid.items():
            if not _KID.fullmatch(kid):
                raise KeyRejected("the identifier of a refresh secret is of A-Z a-z 0-9 _ -, at most 64 long")
            if len(secret) < 32:
                raise KeyRejected(f"the refresh secret {kid!r} has less than 32 bytes")
        self.current = current
        # A label of its own: these bytes are not the MAC of anything else, should a secret be shared.
        self._keyed = {
            kid: hmac.new(secret, b"backstay refresh v1\0", sha256) for kid, secret in secrets_by_kid.items()
        }

    @classmethod
    def parse(cls, text: str, /) -> RefreshSecrets:
        """Secrets as a setting has them: ``kid:base64url``, separated by commas or lines, the current one first.

        Raises:
            KeyRejected: a part has another form, or as the constructor does. No message quotes a secret.
        """
        found: dict[str, bytes] = {}
        for part in re.split(r"[,\s]+", text.strip()):
            kid, colon, encoded = part.partition(":")
            if not colon or kid in found:
                raise KeyRejected("refresh secrets are 'kid:base64url', by commas, each kid once")
            try:
                found[kid] = base64url.decode(encoded.encode("ascii", "replace"))
            except base64url.NotBase64Url:
                raise KeyRejected("a refresh secret is in base64url without padding") from None
        return cls(found, current=next(iter(found)))

    def __repr__(self) -> str:
        return f"<RefreshSecrets {len(self._keyed)} kids, current {self.current!r}>"

    def token(self, position: Position, /) -> str:
        """The refresh token of a position: always the same text.

        Raises:
            InvalidToken: the secret of that position has been removed.
        """
        head = f"{PREFIX}.{position.kid}.{position.family}.{position.generation}"
        return f"{head}.{self._mac(position.kid, head)}"

    def read(self, token: str, /) -> Position:
        """The position that a token proves.

        Raises:
            InvalidToken: it is none, or not one of ours.
        """
        if not isinstance(token, str):  # pyright: ignore[reportUnnecessaryIsInstance] - from a request body
            raise InvalidToken(TokenReason.MALFORMED)
        if len(token) > MAX_LENGTH:
            raise InvalidToken(TokenReason.TOO_LARGE)
        form = _FORM.fullmatch(token)
        if form is None:
            raise InvalidToken(TokenReason.MALFORMED)
        head, _, mac = token.rpartition(".")
        if not hmac.compare_digest(self._mac(form["kid"], head), mac):
            raise InvalidToken(TokenReason.SIGNATURE)
        return Position(kid=form["kid"], family=form["family"], generation=int(form["generation"]))

    def _mac(self, kid: str, head: str) -> str:
        keyed = self._keyed.get(kid)
        if keyed is None:
            raise InvalidToken(TokenReason.UNKNOWN_KEY)
        mac = keyed.copy()
        mac.update(head.encode("ascii"))
        return base64url.encode(mac.digest()).decode("ascii")


def new_identifier() -> str:
    """128 bits from the system's generator, as 22 characters."""
    return secrets.token_urlsafe(16)
