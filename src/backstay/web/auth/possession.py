"""Proof of possession (RFC 9449) as a request brings it: its header, its method, and what address it was for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from backstay.container import current_backstay
from backstay.errors import InvalidToken, NotConfiguredError

from .challenges import Challenges
from .extraction import header_of

if TYPE_CHECKING:
    from backstay.tokens.dpop import DpopNonces, DpopVerifier

HEADER: Final = b"dpop"


class ProofOfPossession:
    """Checks the proof that a request brings.

    `base_url` is what clients call this service, such as ``https://api.example``: behind a proxy the scope does
    not know it. Without it the scheme and the Host header are taken.
    """

    def __init__(self, *, base_url: str = "", nonces: DpopNonces | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._nonces = nonces
        self._verifier: Callable[[], DpopVerifier] = self._ambient_verifier

    async def check(
        self, scope: Mapping[str, Any], challenges: Challenges, /, *, access_token: str | None = None
    ) -> str:
        """The thumbprint of the key that the sender has proven to hold, for this request.

        Raises:
            RequestRefused: 401; there is no proof, it is not accepted, or it lacks a nonce of ours.
            TokenStoreUnavailable: whether it was used before cannot be known now.
        """
        proof = header_of(scope, HEADER)
        if proof is None:
            raise challenges.invalid_proof()
        method: str = scope.get("method", "GET")  # a WebSocket begins as a GET
        try:
            return await self._verifier().check(
                proof, method=method, url=self._url(scope), access_token=access_token
            )
        except InvalidToken:
            if self._nonces is not None and self._lacks_nonce(proof):
                raise challenges.use_nonce(self._nonces.issue(self._now())) from None
            raise challenges.invalid_proof() from None

    def _lacks_nonce(self, proof: str) -> bool:
        # Read without believing it: all it decides is whether the refusal brings a nonce.
        from backstay.tokens import checks

        try:
            claims = checks.read_json(checks.decode_segment(checks.split_token(proof, len(proof))[1]))
        except InvalidToken:
            return False
        nonce = claims.get("nonce")
        assert self._nonces is not None  # noqa: S101 - asked by the caller
        return not (isinstance(nonce, str) and self._nonces.accepts(nonce, self._now()))

    def _url(self, scope: Mapping[str, Any]) -> str:
        base = self._base_url
        if not base:
            scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
            base = f"{scheme}://{header_of(scope, b'host') or ''}"
        path: str = scope["path"]
        return base + path

    def _now(self) -> float:
        return current_backstay.get().clock.now().timestamp()

    def _ambient_verifier(self) -> DpopVerifier:
        from backstay.tokens.dpop import DpopVerifier

        kit = current_backstay.get()
        if kit.token_store is None:
            raise NotConfiguredError("this Backstay was made without a token store, which proofs need")
        return DpopVerifier(kit.token_store, nonces=self._nonces, clock=kit.clock)
