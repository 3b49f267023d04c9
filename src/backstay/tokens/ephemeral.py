"""Keys of this process alone, for development: nothing to configure, and nothing that outlives the process."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from backstay.clock import Clock
from backstay.events import Emitter

from .events import EphemeralKeyMade
from .keyring import KeyRing
from .protocol import VerificationKey
from .refresh import RefreshSecrets, new_identifier


class EphemeralKeyRing(KeyRing):
    """A ring whose one ES256 key is made when it is first needed, and said so by `EphemeralKeyMade`.

    Not before: an application without tokens is not told about keys, and does not load what makes them. Not
    promised: that any other process, or the next run of this one, accepts what this key has signed.
    """

    def __init__(self, *, clock: Clock | None = None, events: Emitter | None = None) -> None:
        super().__init__((), clock=clock)
        self._events = events or Emitter()

    def signing_key(self) -> VerificationKey:
        """The key, made now if it is the first time. Raises MissingExtraError without the extra `tokens`."""
        self._make_once()
        return super().signing_key()

    def jwks(self) -> dict[str, list[Mapping[str, str]]]:
        """The key set to publish; whoever asks for it will want the key that is going to sign."""
        self._make_once()
        return super().jwks()

    def _make_once(self) -> None:
        if self._by_kid:
            return
        from .jose import generate_key

        key = generate_key("ES256")
        self.replace([key])
        self._events(EphemeralKeyMade(kid=key.kid))


def ephemeral_secrets() -> RefreshSecrets:
    """A refresh secret that is lost with the process, as the sessions in its memory are."""
    kid = f"ephemeral-{new_identifier()}"
    return RefreshSecrets({kid: secrets.token_bytes(32)}, current=kid)
