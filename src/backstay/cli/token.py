"""``backstay token``: keys, key sets, and the sessions behind tokens, from a shell.

No command prints a private key or repeats a token that it was given; tokens are read from standard input, so
that they stand in no process list and no shell history.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio

from backstay.errors import BackstayError, MissingExtraError
from backstay.tokens import JwtCodec, KeyRing, RingKey, TokenProfile
from backstay.tokens.events import fingerprint
from backstay.tokens.opening import open_store
from backstay.tokens.protocol import SessionStore
from backstay.tokens.refresh import new_identifier

try:
    import click
except ImportError as exc:
    raise MissingExtraError("cli", "backstay token") from exc

T = TypeVar("T")

_RING = click.option(
    "--keys",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="BACKSTAY_TOKEN_KEYS_FILE",
    required=True,
    help="the file of the key ring (or BACKSTAY_TOKEN_KEYS_FILE)",
)
_ISSUER = click.option("--issuer", envvar="BACKSTAY_TOKEN_ISSUER", required=True)
_AUDIENCE = click.option("--audience", envvar="BACKSTAY_TOKEN_AUDIENCE", required=True)
_STORE = click.option(
    "--store",
    "url",
    envvar="BACKSTAY_TOKEN_STORE",
    required=True,
    help="where sessions are: redis://… or postgresql://…",
)
_PREFIX = click.option(
    "--prefix",
    envvar="BACKSTAY_TOKEN_PREFIX",
    default="backstay:tokens",
    show_default=True,
    help="of the keys in Redis",
)


@click.group()
def token() -> None:
    """Keys, tokens and sessions."""


@token.command()
@_RING
@click.option("--alg", default="ES256", show_default=True)
def keygen(*, keys: Path, alg: str) -> None:
    """Make a key ring with one active key. Never overwrites a file."""
    from backstay.tokens.jose import generate_key
    from backstay.tokens.keyfile import write_ring

    if keys.exists():
        raise click.ClickException(f"{keys} exists; use 'backstay token rotate' to add a key")
    key = _call(lambda: generate_key(alg))
    write_ring(keys, [RingKey(key=key)])
    click.echo(f"{key.kid}  {key.alg}  active")


@token.command()
@_RING
@click.option("--alg", default=None, help="of the new key; that of the signing key if left out")
@click.option("--publish-for", default=900.0, show_default=True, help="seconds before the new key signs")
@click.option("--keep-for", default=3660.0, show_default=True, help="seconds that old keys verify after that")
def rotate(*, keys: Path, alg: str | None, publish_for: float, keep_for: float) -> None:
    """Add a key that takes over without a gap, and drop those that are gone."""
    from backstay.tokens.jose import generate_key
    from backstay.tokens.keyfile import write_ring

    ring = _ring(keys)
    key = _call(lambda: generate_key(alg or ring.signing_key().alg))
    ring.rotate(key, publish_for=timedelta(seconds=publish_for), keep_for=timedelta(seconds=keep_for))
    write_ring(keys, ring.entries)
    now = datetime.now(UTC)
    for entry in ring.entries:
        click.echo(f"{entry.key.kid}  {entry.key.alg}  {entry.stage(now)}")


@token.command()
@_RING
def jwks(*, keys: Path) -> None:
    """Print the key set to publish: public halves only."""
    click.echo(json.dumps(_ring(keys).jwks(), indent=2))


@token.command()
@_RING
@_ISSUER
@_AUDIENCE
@click.option("--subject", required=True)
@click.option("--client-id", default="backstay-cli", show_default=True)
@click.option("--scope", default="")
@click.option("--lifetime", default=300, show_default=True, type=click.IntRange(1, 3600), help="seconds")
def issue(
    *, keys: Path, issuer: str, audience: str, subject: str, client_id: str, scope: str, lifetime: int
) -> None:
    """Print one access token, without a session: for a person at work on a problem."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": issuer,
        "aud": audience.split(","),
        "sub": subject,
        "client_id": client_id,
        "iat": now,
        "exp": now + lifetime,
        "jti": new_identifier(),
        "scope": scope,
    }
    profile = TokenProfile.access(issuer=issuer, audience=audience.split(","))
    click.echo(_call(lambda: JwtCodec(_ring(keys)).encode_now(claims, profile=profile)))


@token.command()
@_RING
@_ISSUER
@_AUDIENCE
def inspect(*, keys: Path, issuer: str, audience: str) -> None:
    """Verify the access token on standard input and print its claims. Exits 1 if it is refused."""
    text = sys.stdin.read().strip()
    profile = TokenProfile.access(issuer=issuer, audience=audience.split(","))
    codec = JwtCodec(_ring(keys))
    try:
        found = codec.verifier.verify(text, expect=profile)
    except BackstayError as exc:
        reason = getattr(exc, "reason", "error")
        click.echo(json.dumps({"accepted": False, "reason": reason, "fingerprint": fingerprint(text)}))
        raise SystemExit(1) from None
    answer = {"accepted": True, "kid": found.kid, "fingerprint": fingerprint(text), "claims": found.claims}
    click.echo(json.dumps(answer, indent=2))


@token.command()
@_STORE
@_PREFIX
@click.option("--user", default=None, help="end all sessions and access tokens of this user")
@click.option("--session", default=None, help="end this one session")
@click.option("--keep", default=None, help="with --user: the one session to keep")
def revoke(*, url: str, prefix: str, user: str | None, session: str | None, keep: str | None) -> None:
    """End sessions at once, on every machine that follows the store."""
    if (user is None) == (session is None):
        raise click.UsageError("give either --user or --session")

    async def work(store: SessionStore) -> int:
        if user is not None:
            return await store.end_user(user, keep=keep)
        return int(await store.end_session(cast("str", session)))

    click.echo(f"{_with_store(url, prefix, work)} sessions ended")


@token.command()
@_STORE
@_PREFIX
@click.argument("user")
def sessions(*, url: str, prefix: str, user: str) -> None:
    """List the live sessions of a user, newest first, one JSON object a line."""

    async def work(store: SessionStore) -> list[dict[str, Any]]:
        return [
            {"session": s.family, "client": s.client_id, "device": s.device, "scope": s.scope}
            | {"created": _iso(s.created_at), "used": _iso(s.rotated_at), "ends": _iso(s.idle_end)}
            for s in await store.sessions(user)
        ]

    for row in _with_store(url, prefix, work):
        click.echo(json.dumps(row))


def _ring(path: Path) -> KeyRing:
    from backstay.tokens.keyfile import read_ring

    return _call(lambda: read_ring(path))


def _call(work: Callable[[], T]) -> T:
    try:
        return work()
    except (BackstayError, ValueError) as exc:
        raise click.ClickException(str(exc)) from None


def _with_store(url: str, prefix: str, work: Callable[[SessionStore], Awaitable[T]]) -> T:
    async def main() -> T:
        async with open_store(url, prefix=prefix) as store:
            return await work(store)

    return _call(lambda: anyio.run(main))


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds")
