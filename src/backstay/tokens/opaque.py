"""Reference tokens: 256 random bits that mean nothing, and are known to the store by their digest only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from backstay.errors import InvalidToken, TokenReason

from .json import dump_object, parse_object
from .protocol import OpaqueStore

PREFIX = "bso1"
_FORM = re.compile(r"bso1\.[A-Za-z0-9_-]{43}", re.ASCII)


class OpaqueTokens:
    """Issue, resolve and revoke reference tokens. A copy of the store gives nobody a token.

    A fast digest is enough: there is nothing to guess in 256 bits. Looking up by digest tells no timing that
    could be used against the token.
    """

    def __init__(self, store: OpaqueStore) -> None:
        self._store = store

    async def issue(self, claims: Mapping[str, object], /, *, ttl: float) -> str:
        """A token that stands for the claims, for `ttl` seconds. Raises TokenStoreUnavailable."""
        token = f"{PREFIX}.{secrets.token_urlsafe(32)}"
        await self._store.save(_digest(token), dump_object(dict(claims)), ttl=ttl)
        return token

    async def resolve(self, token: str, /) -> dict[str, Any]:
        """The claims.

        Raises:
            InvalidToken: the token has another form (no store is asked), is unknown, expired or revoked.
            TokenStoreUnavailable: the store did not answer.
        """
        if not _FORM.fullmatch(token):
            raise InvalidToken(TokenReason.MALFORMED)
        claims = await self._store.find(_digest(token))
        if claims is None:
            raise InvalidToken(TokenReason.UNKNOWN_SESSION)
        return parse_object(claims)

    async def revoke(self, token: str, /) -> bool:
        """Forget the token at once; False if it stood for nothing."""
        return bool(_FORM.fullmatch(token)) and await self._store.remove(_digest(token))


def _digest(token: str) -> bytes:
    return sha256(token.encode("ascii")).digest()
