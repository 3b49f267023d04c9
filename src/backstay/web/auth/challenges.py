"""What a refused client is told to do: the challenges of RFC 6750, RFC 9449 and RFC 9470, as exact texts.

Every 401 has one (RFC 9110, 15.5.2), and so has a 403 for want of scope. The description is the same for whatever
was wrong with a token: which check failed is for the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from backstay.errors import RequestRefused
from backstay.tokens import Decision

ALGORITHMS = "ES256 Ed25519 EdDSA PS256 RS256"
"""What a DPoP proof may be signed with, as RFC 9449, 7.1 tells it."""

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenges:
    """Makes refusals, each with its challenge.

    `realm` names the protected space; `dpop` says that DPoP is offered beside Bearer.
    """

    realm: str = "api"
    dpop: bool = False

    def __post_init__(self) -> None:
        if not self.realm.isascii() or not self.realm.isprintable() or set('"\\') & set(self.realm):
            raise ValueError("a realm is of printable ASCII without quotes and backslashes")

    def missing(self) -> RequestRefused:
        """401 without an error code: the request said nothing about who sends it (RFC 6750, 3.1)."""
        value = f'Bearer realm="{self.realm}"'
        if self.dpop:
            value += f', DPoP realm="{self.realm}", algs="{ALGORITHMS}"'
        return RequestRefused("authentication is required", status=401, headers=(("www-authenticate", value),))

    def invalid_request(self, detail: str) -> RequestRefused:
        """400: the request itself is malformed."""
        return self._refuse(400, "Bearer", "invalid_request", detail)

    def invalid_token(self, scheme: str) -> RequestRefused:
        """401: the token is not accepted, for whatever reason."""
        return self._refuse(401, scheme, "invalid_token", "the token is not accepted")

    def invalid_proof(self) -> RequestRefused:
        """401: the DPoP proof is missing or not accepted."""
        return self._refuse(401, "DPoP", "invalid_dpop_proof", "the proof of possession is not accepted")

    def use_nonce(self, nonce: str) -> RequestRefused:
        """401: the proof needs the nonce that comes with this answer (RFC 9449, 9)."""
        return self._refuse(
            401, "DPoP", "use_dpop_nonce", "the proof of possession needs a nonce", extra=(("dpop-nonce", nonce),)
        )

    def insufficient(self, decision: Decision, scheme: str) -> RequestRefused:
        """403 for want of a scope, role or permission; 401 where logging in more strongly would help (RFC 9470)."""
        login = decision.step_up
        if login is None:
            scopes = " ".join(sorted(decision.missing_scopes))
            return self._refuse(403, scheme, "insufficient_scope", "the token does not grant this", scope=scopes)
        return self._refuse(
            401,
            scheme,
            "insufficient_user_authentication",
            "a more recent or stronger login is required",
            acr_values=" ".join(sorted(login.acr or ())),
            max_age="" if login.max_age is None else str(int(login.max_age.total_seconds())),
        )

    def _refuse(
        self, status: int, scheme: str, error: str, detail: str, *, extra: Headers = (), **parameters: str
    ) -> RequestRefused:
        named = "DPoP" if scheme.lower() == "dpop" else "Bearer"
        said = {"realm": self.realm, "error": error, "error_description": detail, **parameters}
        if named == "DPoP":
            said["algs"] = ALGORITHMS
        value = f"{named} " + ", ".join(f'{name}="{text}"' for name, text in said.items() if text)
        return RequestRefused(detail, status=status, error=error, headers=(("www-authenticate", value), *extra))
