"""Login, refresh, logout, sessions, revocation, introspection and keys: requests in, plain answers out.

`Endpoints.table` lists them; an adapter mounts each row and sends what its `serve` gives. No row needs the
framework for its errors: every refusal is an answer already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from backstay.container import Backstay, current_backstay
from backstay.errors import InvalidToken, RequestRefused
from backstay.secret import Secret
from backstay.tokens import Requirement, Session, TokenPair, scope

from . import cookies
from .answers import Answer, json_answer, problem
from .authenticator import Authenticator, Principal, token_service
from .calls import Call
from .csrf import check_forgery, check_origin
from .extraction import cookies_of, read_cookie
from .sign_in import Accounts, sign_in, wrong
from .table import Endpoint, rows

MAY_INTROSPECT: Final = scope("introspect")


class Endpoints:
    """The endpoints of one authenticator. They act on the Backstay that is open when a request comes."""

    def __init__(
        self,
        authenticator: Authenticator[Any],
        *,
        accounts: Accounts | None = None,
        client_id: str = "web",
        may_introspect: Requirement = MAY_INTROSPECT,
    ) -> None:
        """Wire them.

        Args:
            authenticator: who sends a request.
            accounts: where passwords are; without it there is no login.
            client_id: whom tokens are issued to (RFC 9068, 2.2).
            may_introspect: what a caller of introspection must be granted (RFC 7662, 2.1).
        """
        self._auth = authenticator
        self._accounts = accounts
        self._client_id = client_id
        self._may_introspect = may_introspect
        self.table: Sequence[Endpoint] = tuple(
            replace(row, challenges=authenticator.challenges)
            for row in rows(self)
            if accounts is not None or row.name != "login"
        )

    # ---- signing in and out

    async def login(self, call: Call) -> Answer:
        """Name and password for tokens. ``transport`` says where they go: ``cookie`` or ``token``."""
        kit, fields = current_backstay.get(), call.fields()
        in_cookies = self._wants_cookies(fields)
        if in_cookies:
            check_origin(call.scope, self._auth.transport)
        if self._accounts is None or not (fields.get("username") and fields.get("password")):
            raise RequestRefused("username and password are required", status=400, error="invalid_request")
        attempt = (fields["username"], Secret(fields["password"]), call.address, self._device_token(call, fields))
        account, device = await sign_in(kit, self._accounts, self._auth.challenges, attempt)
        try:
            pair = await token_service(kit).issue(
                account.id,
                client_id=self._client_id,
                scopes=_narrowed(fields, account.scopes),
                device=call.device,
                jkt=await self._jkt(call),
            )
        except InvalidToken:  # the user's claims say: disabled. Told apart from a wrong password by nothing
            raise wrong(self._auth.challenges) from None
        return self._tokens(kit, pair, in_cookies=in_cookies, device=device)

    async def refresh(self, call: Call) -> Answer:
        """The next tokens of a session, where the last ones were: in cookies, or in the body."""
        kit, fields = current_backstay.get(), call.fields()
        token = fields.get("refresh_token")
        from_cookie = None if token else self._refresh_cookie(call)
        if not (token or from_cookie):
            raise RequestRefused("a refresh token is required", status=400, error="invalid_request")
        asked = fields.get("scope")
        try:
            pair = await token_service(kit).refresh(
                token or from_cookie or "",
                client_id=self._client_id,
                scopes=None if asked is None else asked.split(),
                jkt=await self._jkt(call),
            )
        except InvalidToken:
            # RFC 6749, 5.2; the reason is for the log.
            return problem(
                400, "the refresh token is not accepted", error="invalid_grant", headers=self._forget(from_cookie)
            )
        return self._tokens(kit, pair, in_cookies=bool(from_cookie))

    async def logout(self, call: Call) -> Answer:
        """End the session: the one of the refresh token, and that of the access token. Ended already is fine."""
        service = token_service(current_backstay.get())
        token = call.fields().get("refresh_token") or self._refresh_cookie(call)
        if token:
            await service.revoke(token, client_id=self._client_id)
        elif (principal := await self._auth.principal(call.scope)).token.session_id:
            await service.revoke_session(principal.token.session_id)
        return Answer(status=204, headers=self._forget(self._auth.transport.cookies))

    # ---- the user's own sessions

    async def sessions(self, call: Call) -> Answer:
        """The user's sessions, newest first."""
        principal = await self._auth.principal(call.scope)
        found = await token_service(current_backstay.get()).sessions(principal.token.subject)
        return json_answer({"sessions": [_shown(each, principal) for each in found]})

    async def end_session(self, call: Call) -> Answer:
        """End one of the user's sessions; 404 for one that is not there or not theirs."""
        principal = await self._auth.principal(call.scope)
        service = token_service(current_backstay.get())
        if not await service.revoke_session(call.path["session_id"], user=principal.token.subject):
            return problem(404, "there is no such session")
        return Answer(status=204)

    async def end_others(self, call: Call) -> Answer:
        """End all of the user's sessions but this one."""
        principal = await self._auth.principal(call.scope)
        service = token_service(current_backstay.get())
        ended = await service.revoke_user(principal.token.subject, keep_session=principal.token.session_id or None)
        return json_answer({"ended": ended})

    # ---- for other parties

    async def revoke(self, call: Call) -> Answer:
        """RFC 7009: whoever has a token may revoke it, and learns nothing about one that was not good."""
        await token_service(current_backstay.get()).revoke(_token_in(call), client_id=self._client_id)
        return Answer(status=200, headers=(("cache-control", "no-store"),))

    async def introspect(self, call: Call) -> Answer:
        """RFC 7662: what a token is worth now, for callers that may ask."""
        await self._auth.principal(call.scope, self._may_introspect)
        found = await token_service(current_backstay.get()).introspect(_token_in(call))
        return json_answer(found.as_dict())

    async def keys(self, _call: Call) -> Answer:
        """The public keys, for those who verify our tokens (RFC 7517, 5)."""
        ring = current_backstay.get().keys
        answer = json_answer({"keys": [] if ring is None else ring.jwks()["keys"]})
        kind = ("content-type", "application/jwk-set+json")
        return Answer(headers=(kind, ("cache-control", "public, max-age=300")), body=answer.body)

    # ---- inside

    def _wants_cookies(self, fields: dict[str, str]) -> bool:
        offered = self._auth.transport.cookies is not None
        wanted = fields.get("transport", "cookie" if offered else "token")
        if wanted not in {"cookie", "token"} or (wanted == "cookie" and not offered):
            raise RequestRefused("this transport is not offered", status=400, error="invalid_request")
        return wanted == "cookie"

    def _device_token(self, call: Call, fields: dict[str, str]) -> str | None:
        names = self._auth.transport.cookies
        from_cookie = None if names is None else read_cookie(cookies_of(call.scope), names.device)
        return fields.get("device") or from_cookie

    def _refresh_cookie(self, call: Call) -> str | None:
        names = self._auth.transport.cookies
        token = None if names is None else read_cookie(cookies_of(call.scope), names.refresh)
        if token:
            check_forgery(call.scope, self._auth.transport)
        return token

    async def _jkt(self, call: Call) -> str:
        proofs = self._auth.proofs
        if proofs is None or not any(name == b"dpop" for name, _ in call.scope["headers"]):
            return ""
        return await proofs.check(call.scope, self._auth.challenges)

    def _forget(self, was_in_cookies: object) -> tuple[tuple[str, str], ...]:
        names = self._auth.transport.cookies
        return cookies.signed_out(names) if names is not None and was_in_cookies else ()

    def _tokens(self, kit: Backstay, pair: TokenPair, *, in_cookies: bool, device: str | None = None) -> Answer:
        names = self._auth.transport.cookies
        told: dict[str, Any] = {"token_type": pair.token_type, "expires_in": pair.expires_in, "scope": pair.scope}
        if names is None or not in_cookies:
            secret = {"access_token": pair.access_token, "refresh_token": pair.refresh_token}
            return json_answer(secret | told | ({"device": device} if device else {}))
        headers, csrf = cookies.signed_in(names, pair, lifetime=int(kit.settings.token.absolute_ttl))
        known = (cookies.device_cookie(names, device),) if device else ()
        return json_answer(told | {"csrf_token": csrf}, headers=(*headers, *known))


def _narrowed(fields: dict[str, str], allowed: frozenset[str]) -> frozenset[str]:
    asked = frozenset(fields.get("scope", "").split())
    if not asked <= allowed:
        raise RequestRefused("a scope is not granted to this account", status=400, error="invalid_scope")
    return asked or allowed


def _shown(session: Session, principal: Principal[Any]) -> dict[str, object]:
    return {
        "id": session.family,
        "client_id": session.client_id,
        "device": session.device,
        "scope": session.scope,
        "created_at": session.created_at,
        "last_used_at": session.rotated_at,
        "expires_at": min(session.idle_end, session.absolute_end),
        "current": session.family == principal.token.session_id,
    }


def _token_in(call: Call) -> str:
    token = call.fields().get("token")
    if not token:
        raise RequestRefused("a token is required", status=400, error="invalid_request")
    return token
