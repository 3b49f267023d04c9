"""One table, three frameworks, three servers: the same status, challenge and body, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from backstay import ManualClock
from backstay.container import current_backstay
from backstay.tokens import AuthContext
from backstay.web.auth.challenges import ALGORITHMS

from .applications import ERRORS, FRAMEWORKS, PASSWORD, People
from .serving import SERVERS, served

DPOP = f'DPoP realm="api", algs="{ALGORITHMS}"'
MISSING = f'Bearer realm="api", {DPOP}'
INVALID = 'Bearer realm="api", error="invalid_token", error_description="the token is not accepted"'
NO_PROOF = (
    'DPoP realm="api", error="invalid_dpop_proof", '
    f'error_description="the proof of possession is not accepted", algs="{ALGORITHMS}"'
)
LATER = "a service behind this one does not answer; try again"


def bad_request(detail: str) -> str:
    return f'Bearer realm="api", error="invalid_request", error_description="{detail}"'


def insufficient(**parameters: str) -> str:
    told = {"error": "insufficient_scope", "error_description": "the token does not grant this", **parameters}
    return 'Bearer realm="api", ' + ", ".join(f'{name}="{text}"' for name, text in told.items())


STEP_UP = (
    'Bearer realm="api", error="insufficient_user_authentication", '
    'error_description="a more recent or stronger login is required", acr_values="mfa", max_age="300"'
)


def problem(status: int, title: str, detail: str, error: str = "") -> str:
    members = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return json.dumps(members | ({"error": error} if error else {}), separators=(",", ":"))


UNAUTHORIZED = problem(401, "Unauthorized", "the token is not accepted", "invalid_token")
ANONYMOUS = problem(401, "Unauthorized", "authentication is required")
FORBIDDEN = problem(403, "Forbidden", "the token does not grant this", "insufficient_scope")
FORGED = problem(403, "Forbidden", "the request may have been forged by another site", "cross_site")
TWICE = "the request carries more than one token"


class Tokens:
    """Tokens of everybody whom the table speaks of, made by the service under test."""

    async def fill(self, clock: ManualClock) -> None:
        service = current_backstay.get().tokens
        scopes = {"orders:read"}
        mfa = AuthContext(acr="mfa")
        self.expired = (await service.issue("ada", client_id="web")).access_token
        clock.advance(3600)
        self.ada = (await service.issue("ada", client_id="web")).access_token
        self.reader = (await service.issue("ada", client_id="web", scopes=scopes)).access_token
        self.root = (await service.issue("root", client_id="web")).access_token
        self.eve = (await service.issue("eve", client_id="web")).access_token
        self.fresh = (await service.issue("ada", client_id="web", auth=mfa)).access_token
        old = AuthContext(acr="mfa", at=clock.now().timestamp() - 301)
        self.stale = (await service.issue("ada", client_id="web", auth=old)).access_token
        self.revoked = (await service.issue("ada", client_id="web")).access_token
        await service.revoke(self.revoked)
        ended = await service.issue("ada", client_id="web")
        await service.revoke_session(ended.session_id)
        self.ended = ended.access_token
        self.before_epoch = (await service.issue("max", client_id="web")).access_token
        await service.revoke_user("max")
        self.gone = (await service.issue("gone", client_id="web")).access_token
        self.bound = (await service.issue("ada", client_id="web", jkt="A" * 43)).access_token
        refresh = await service.issue("ada", client_id="web")
        self.refresh = refresh.refresh_token


Headers = Callable[[Tokens], dict[str, str] | list[tuple[str, str]]]


@dataclass(frozen=True)
class Row:
    """One request, and everything about its answer that must not differ."""

    name: str
    path: str
    status: int
    body: str
    challenge: str | None = None
    headers: Headers = lambda tokens: {}
    method: str = "GET"
    also: dict[str, str] = field(default_factory=dict)


def bearer(name: str, scheme: str = "Bearer") -> Headers:
    return lambda tokens: {"Authorization": f"{scheme} {getattr(tokens, name)}"}


def cookie(name: str, *more: tuple[str, str], csrf: str = "") -> Headers:
    def headers(tokens: Tokens) -> dict[str, str]:
        pairs = f"__Host-access={getattr(tokens, name)}" + (f"; __Host-csrf={csrf}" if csrf else "")
        return {"Cookie": pairs, **dict(more)}

    return headers


ADA = '{"user":"Ada"}'
OK = '{"ok":true}'

ROWS = [
    # who may come in
    Row("no credentials", "/protected", 401, ANONYMOUS, MISSING),
    Row("a good token", "/protected", 200, ADA, headers=bearer("ada")),
    Row("a scheme in another case", "/protected", 200, ADA, headers=bearer("ada", "bEaReR")),
    Row("two spaces before the token", "/protected", 200, ADA, headers=bearer("ada", "Bearer ")),
    Row("another scheme", "/protected", 401, ANONYMOUS, MISSING, lambda t: {"Authorization": f"Basic {t.ada}"}),
    Row("no scheme", "/protected", 401, ANONYMOUS, MISSING, lambda t: {"Authorization": t.ada}),
    Row(
        "a scheme without a token", "/protected", 400,
        problem(400, "Bad Request", "the Authorization header holds no token", "invalid_request"),
        bad_request("the Authorization header holds no token"), lambda t: {"Authorization": "Bearer"},
    ),
    Row(
        "two tokens in one header", "/protected", 400,
        problem(400, "Bad Request", "the Authorization header holds no token", "invalid_request"),
        bad_request("the Authorization header holds no token"),
        lambda t: {"Authorization": f"Bearer {t.ada} {t.ada}"},
    ),
    Row(
        "two Authorization headers", "/protected", 400, problem(400, "Bad Request", TWICE, "invalid_request"),
        bad_request(TWICE), lambda t: [("Authorization", f"Bearer {t.ada}"), ("Authorization", f"Bearer {t.ada}")],
    ),
    Row("a token in the query", "/protected?access_token=x", 401, ANONYMOUS, MISSING),
    # which tokens are refused
    *[
        Row(name, "/protected", 401, UNAUTHORIZED, INVALID, headers=bearer(name))
        for name in ("expired", "revoked", "ended", "before_epoch", "gone", "bound", "refresh")
    ],
    Row("nonsense", "/protected", 401, UNAUTHORIZED, INVALID, lambda t: {"Authorization": "Bearer nonsense"}),
    Row("a changed token", "/protected", 401, UNAUTHORIZED, INVALID,
        lambda t: {"Authorization": f"Bearer {t.ada[:-4]}AAAA"}),
    Row("a huge token", "/protected", 401, UNAUTHORIZED, INVALID,
        lambda t: {"Authorization": "Bearer " + "a" * 9000}),
    Row("DPoP without a proof", "/protected", 401,
        problem(401, "Unauthorized", "the proof of possession is not accepted", "invalid_dpop_proof"),
        NO_PROOF, headers=bearer("bound", "DPoP")),
    # where a user is optional
    Row("optional, nobody", "/optional", 200, '{"user":null}'),
    Row("optional, somebody", "/optional", 200, ADA, headers=bearer("ada")),
    Row("optional, and refused", "/optional", 401, UNAUTHORIZED, INVALID, headers=bearer("expired")),
    # what a user may do
    Row("admin, nobody", "/admin", 401, ANONYMOUS, MISSING),
    Row("admin, a user", "/admin", 403, FORBIDDEN, insufficient(), headers=bearer("ada")),
    Row("admin, an admin", "/admin", 200, OK, headers=bearer("root")),
    Row("a scope that is missing", "/orders", 403, FORBIDDEN, insufficient(scope="orders:read"),
        headers=bearer("ada")),
    Row("a scope that is there", "/orders", 200, OK, headers=bearer("reader")),
    Row("a permission of two ways", "/reports", 200, OK, headers=bearer("eve")),
    Row("a role of two ways", "/reports", 200, OK, headers=bearer("root")),
    Row("neither way", "/reports", 403, FORBIDDEN, insufficient(), headers=bearer("ada")),
    Row("a strong login", "/fresh", 200, OK, headers=bearer("fresh")),
    Row("a login of too long ago", "/fresh", 401,
        problem(401, "Unauthorized", "a more recent or stronger login is required",
                "insufficient_user_authentication"),
        STEP_UP, headers=bearer("stale")),
    # cookies, and pages of others
    Row("a cookie", "/protected", 200, ADA, headers=cookie("ada")),
    Row("a cookie that expired", "/protected", 401, UNAUTHORIZED, INVALID, headers=cookie("expired")),
    Row("a header goes before a cookie", "/protected", 200, ADA,
        headers=lambda t: {"Authorization": f"Bearer {t.ada}", "Cookie": f"__Host-access={t.expired}"}),
    Row("a cookie beside another scheme", "/protected", 200, ADA,
        headers=lambda t: {"Authorization": "Basic eA==", "Cookie": f"__Host-access={t.ada}"}),
    Row("a cookie that is there twice", "/protected", 400, problem(400, "Bad Request", TWICE, "invalid_request"),
        bad_request(TWICE), lambda t: {"Cookie": f"__Host-access={t.ada}; __Host-access={t.expired}"}),
    Row("a change by header", "/change", 200, ADA, headers=bearer("ada"), method="POST"),
    Row("a change by cookie alone", "/change", 403, FORGED, headers=cookie("ada"), method="POST"),
    Row("a change by cookie, repeated", "/change", 200, ADA, method="POST",
        headers=cookie("ada", ("X-CSRF-Token", "c"), ("Sec-Fetch-Site", "same-origin"), csrf="c")),
    Row("a change from an old browser", "/change", 200, ADA, method="POST",
        headers=cookie("ada", ("X-CSRF-Token", "c"), csrf="c")),
    Row("a change, wrongly repeated", "/change", 403, FORGED, method="POST",
        headers=cookie("ada", ("X-CSRF-Token", "d"), ("Sec-Fetch-Site", "same-origin"), csrf="c")),
    Row("a form of another site", "/change", 403, FORGED, method="POST",
        headers=cookie("ada", ("X-CSRF-Token", "c"), ("Sec-Fetch-Site", "cross-site"), csrf="c")),
    Row("a form of a sibling host", "/change", 403, FORGED, method="POST",
        headers=cookie("ada", ("X-CSRF-Token", "c"), ("Sec-Fetch-Site", "same-site"), csrf="c")),
    Row("another origin, old browser", "/change", 403, FORGED, method="POST",
        headers=cookie("ada", ("X-CSRF-Token", "c"), ("Origin", "https://evil.example"), csrf="c")),
    Row("no origin at all to speak of", "/change", 403, FORGED, method="POST",
        headers=cookie("ada", ("X-CSRF-Token", "c"), ("Origin", "null"), csrf="c")),
    Row("an origin that is none", "/change", 403, FORGED, method="POST",
        headers=cookie("ada", ("X-CSRF-Token", "c"), ("Origin", "http://[evil.example"), csrf="c")),
    Row("an origin that is trusted", "/change", 200, ADA, method="POST",
        headers=cookie("ada", ("X-CSRF-Token", "c"), ("Sec-Fetch-Site", "cross-site"),
                       ("Origin", "https://app.example"), csrf="c")),
    # what needs no token does not mind a bad one: or nobody could sign in again
    Row("alive, whoever asks", "/healthz", 200, '{"ok":true,"probes":{}}', headers=bearer("expired")),
    Row("a cached route, whoever asks", "/cached/AAPL", 200, '{"symbol":"AAPL"}', headers=cookie("revoked")),
    *[
        Row(f"login with {name}", "/auth/login", 400, method="POST", headers=headers,
            body=problem(400, "Bad Request", "username and password are required", "invalid_request"))
        for name, headers in (("an old token", bearer("expired")), ("an old cookie", cookie("ended")),
                              ("a good cookie and no header", cookie("ada")))
    ],
    Row("refresh with an old token", "/auth/refresh", 400, method="POST", headers=bearer("ended"),
        body=problem(400, "Bad Request", "a refresh token is required", "invalid_request")),
    # errors of the rest of backstay
    *[
        Row(f"broken {what}", f"/broken/{what}", 503, problem(503, "Service Unavailable", LATER),
            also={"retry-after": "1"})
        for what in ("store", "cache", "throttle", "migration")
    ],
    Row("a busy hasher", "/broken/hasher", 503, also={"retry-after": "1"},
        body=problem(503, "Service Unavailable", "too many passwords are being checked; try again")),
    Row("a slow computation", "/broken/compute", 504,
        problem(504, "Gateway Timeout", "the answer took too long to compute")),
    Row("too many attempts", "/broken/attempts", 429, also={"retry-after": "13"},
        body=problem(429, "Too Many Requests", "too many attempts; try again later")),
    Row("a rejected password", "/broken/password", 422,
        problem(422, "Unprocessable Content", "the password is too short")),
    Row("a bad key", "/broken/key", 422, problem(422, "Unprocessable Content", "a key has no spaces")),
    Row("a failed migration", "/broken/failed", 500,
        problem(500, "Internal Server Error", "the service failed")),
    Row("an unknown pepper", "/broken/pepper", 500,
        problem(500, "Internal Server Error", "the service failed")),
    Row("nothing is open", "/broken/configuration", 500,
        problem(500, "Internal Server Error", "the service is not configured for this")),
    Row("a bad token in a handler", "/broken/token", 401, UNAUTHORIZED, INVALID),
    Row("a refusal in a handler", "/broken/permission", 403,
        problem(403, "Forbidden", "the request is not permitted", "insufficient_scope")),
    # what is mounted
    Row("alive", "/healthz", 200, '{"ok":true,"probes":{}}', also={"cache-control": "no-store"}),
    Row("sessions, nobody", "/auth/sessions", 401, ANONYMOUS, MISSING),
    Row("a session of nobody's", "/auth/sessions/none", 404,
        problem(404, "Not Found", "there is no such session"), headers=bearer("ada"), method="DELETE"),
    Row("introspection without leave", "/auth/introspect", 403, FORBIDDEN, insufficient(scope="introspect"),
        headers=bearer("ada"), method="POST"),
    Row("login without a name", "/auth/login", 400, method="POST",
        body=problem(400, "Bad Request", "username and password are required", "invalid_request")),
    Row("refresh without a token", "/auth/refresh", 400, method="POST",
        body=problem(400, "Bad Request", "a refresh token is required", "invalid_request")),
    Row("logout of nobody", "/auth/logout", 401, ANONYMOUS, MISSING, method="POST"),
    Row("a cached route", "/cached/AAPL", 200, '{"symbol":"AAPL"}',
        also={"cache-control": "public, max-age=30", "etag": '"81c8d84ddf020b1584fa351351da6f46"'}),
    Row("a cached route, known", "/cached/AAPL", 304, "",
        headers=lambda t: {"If-None-Match": '"81c8d84ddf020b1584fa351351da6f46"'}),
]  # fmt: skip


@pytest.mark.asyncio
@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_every_row_is_answered_alike(framework, server):
    clock, people = ManualClock(), People()
    people.gone.add("gone")
    wrong: list[str] = []
    async with served(FRAMEWORKS[framework](people, clock), server) as host, httpx2.AsyncClient() as client:
        tokens = Tokens()
        await tokens.fill(clock)
        for row in ROWS:
            answer = await client.request(row.method, f"http://{host}{row.path}", headers=row.headers(tokens))
            wrong += _differences(row, answer)
    assert wrong == []


def _differences(row: Row, answer: Any) -> list[str]:
    told = answer.headers
    kind = "application/problem+json" if row.status >= 400 else "application/json"
    expected = {"www-authenticate": row.challenge, **({"content-type": kind} if row.body else {}), **row.also}
    found = {name: told.get(name) for name in expected}
    pairs = [(answer.status_code, row.status), (answer.text, row.body), (found, expected)]
    return [f"{row.name}: {got!r}, not {wanted!r}" for got, wanted in pairs if got != wanted]


def test_the_password_of_the_table_is_a_password():
    assert PASSWORD
    assert set(ERRORS) == {row.path.rpartition("/")[2] for row in ROWS if row.path.startswith("/broken/")}
