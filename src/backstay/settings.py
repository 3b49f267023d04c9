"""What an application sets, as frozen dataclasses, and how they are read from the environment.

``from_env("BACKSTAY_")`` maps each field to a variable: ``cache.ttl`` is ``BACKSTAY_CACHE_TTL``. A variable with
``_FILE`` behind its name holds a path, and the file the value: the way that mounted secrets come. A variable that
begins with the prefix and means nothing is an error that names it, because a misspelt one would otherwise be
silently without effect. No error shows a value that may be secret.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError
from .secret import Secret

S = TypeVar("S")

RESERVED: Final = frozenset({"BACKSTAY_REQUIRE", "BACKSTAY_VECTORS", "BACKSTAY_NIGHTLY"})
"""Variables of the project's own test suite: no settings, and no errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """The cache. Durations are seconds, sizes bytes."""

    prefix: str = "bs:"
    """Before every key in Redis: two applications on one Redis use different ones."""
    ttl: float = 300.0
    """For calls that do not say."""
    budget: float = 0.25
    """Within which Redis answers; what is slower is treated as away."""
    max_entries: int = 100_000
    """Of the embedded backend."""
    max_bytes: int = 64 * 1024 * 1024
    """Of the embedded backend."""
    max_value_bytes: int = 1024 * 1024
    """Of one encoded value."""
    compress_above: int | None = None
    """Payloads longer than this are compressed; not set: none is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationSettings:
    """The migration runner, which there is where a database and a directory are set."""

    directory: Path | None = None
    """Where the migration files are."""
    app_version: str = ""
    """Written into the history, beside each step; and reported as running, see `reports`."""
    reports: bool = True
    """Whether an open Backstay reports its `app_version`, so that contract migrations of newer ones wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """Tokens and sessions. Durations are seconds.

    With nothing set, tokens work within this process for as long as it lives: for development. With `keys` set,
    the others that a service in production needs are asked for.
    """

    keys: Secret | None = None
    """The key ring as ``backstay token keygen`` writes it; usually mounted, so ``…_FILE``."""
    refresh_secrets: Secret | None = None
    """``kid:base64url,…`` of at least 32 bytes each, the current one first. Needed where sessions are shared."""
    issuer: str = ""
    """The ``iss`` of our tokens. Needed with `keys`."""
    audience: tuple[str, ...] = ()
    """The ``aud`` that our tokens are for, separated by commas. Needed with `keys`."""
    store: Secret | None = None
    """Where sessions and revocations are kept, a redis or a postgresql URL; `redis_url` if not set."""
    prefix: str = "backstay:tokens"
    """Of every key of the token store in Redis."""
    replicas: int = 0
    """How many of Redis's replicas must have a change before it is answered, so that a failover loses none."""
    access_ttl: float = 600.0
    """How long an access token is good."""
    idle_ttl: float = 14 * 86_400.0
    """How long a session lasts without a refresh."""
    absolute_ttl: float = 90 * 86_400.0
    """How long a session lasts however often it is refreshed."""
    grace: float = 10.0
    """How long a used refresh token is answered again, with the same successor."""
    leeway: float = 30.0
    """By how much the clocks of issuer and verifier may differ."""
    verified: int = 4096
    """How many verified tokens are remembered for a minute each; 0 is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSettings:
    """What passwords may be set, and how they are hashed."""

    preset: str = "classic"
    """``classic``, ``strong``, ``nist``, ``nist-mfa``, ``asvs-1``, ``asvs-2`` or ``asvs-3``."""
    context: tuple[str, ...] = ()
    """Words of the service that no password is made of, separated by commas."""
    breach_online: bool = False
    """Ask Have I Been Pwned: five digits of a password's SHA-1 leave the machine. Answers are cached."""
    breach_url: str = "https://api.pwnedpasswords.com/range/"
    """Where the online check asks: the service itself, or a mirror of yours."""
    breach_db: Path | None = None
    """A file of ``backstay password breach-db build``; asked when the online check is off or does not know."""
    breach_unknown: Literal["open", "closed"] = "open"
    """Whether a password passes, with a warning, while nobody knows whether it was breached."""
    hash_memory: int = 256 * 1024 * 1024
    """Bytes that all hashes of this process may take together."""
    peppers: Secret | None = None
    """``id:key,…`` with keys of at least 32 characters, the current one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleSettings:
    """The login throttle. Where a Redis is set, its counts are there and shared by all workers."""

    device_key: Secret | None = None
    """At least 32 characters, the same for all workers. Without it no device tokens are issued, and whoever fails
    at an account keeps its owner waiting too."""
    prefix: str = "bs:throttle"
    """Before every key in Redis."""
    store: Secret | None = None
    """Where the counts are, the URL of one Redis; `redis_url` if not set."""
    timeout: float = 1.0
    """Seconds within which Redis answers; after that, logins are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that `Backstay.open` needs. Not set means the embedded default, which needs no server."""

    redis_url: Secret | None = None
    """``redis://[user:password@]host[:port][/db]``, ``rediss://`` for TLS.

    For the cache also ``redis+sentinel://…`` and ``redis+cluster://…``: the throttle, and the token store if there
    is one, then need a Redis of their own.
    """
    database_url: Secret | None = None
    """``postgresql://user:password@host/database``, or ``sqlite:///path``."""
    cache: CacheSettings = field(default_factory=CacheSettings)
    migrations: MigrationSettings = field(default_factory=MigrationSettings)
    token: TokenSettings = field(default_factory=TokenSettings)
    password: PasswordSettings = field(default_factory=PasswordSettings)
    throttle: ThrottleSettings = field(default_factory=ThrottleSettings)


def from_env(
    prefix: str = "BACKSTAY_", environ: Mapping[str, str] | None = None, into: type[S] | None = None
) -> S | Settings:
    """Read settings from the environment.

    Args:
        prefix: what every variable of ours begins with.
        environ: where to look; the process environment if not given.
        into: another frozen dataclass to fill, made of the same kinds of fields.

    Raises:
        ConfigError: a variable is unknown, malformed, or given twice; a file cannot be read. Names it.
    """
    found = {
        name: value
        for name, value in (os.environ if environ is None else environ).items()
        if name.startswith(prefix) and name not in RESERVED
    }
    target: type[Any] = Settings if into is None else into
    fields = dict(_variables(target, prefix))
    _refuse_unknown(found, fields)
    values = {name: text for name in fields if (text := _text(name, found)) is not None}
    built: S | Settings = _build(target, prefix, values)
    return built


def _variables(target: type[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Each variable's name and its field's type, through nested dataclasses."""
    for name, kind in get_type_hints(target).items():
        variable = f"{prefix}{name.upper()}"
        if dataclasses.is_dataclass(kind):
            yield from _variables(kind, f"{variable}_")  # type: ignore[arg-type]
        else:
            yield variable, kind


def _refuse_unknown(found: Mapping[str, str], fields: Mapping[str, Any]) -> None:
    for name in sorted(found):
        if name in fields or name.removesuffix("_FILE") in fields:
            continue
        close = difflib.get_close_matches(name, fields, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(f"the variable {name} means nothing to backstay.{hint}")


def _text(name: str, found: Mapping[str, str]) -> str | None:
    path = found.get(f"{name}_FILE")
    if path is None:
        return found.get(name)
    if name in found:
        raise ConfigError(f"{name} and {name}_FILE are both set: which one is meant?")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{name}_FILE names a file that cannot be read ({type(exc).__name__})") from None


def _build(target: type[Any], prefix: str, values: Mapping[str, str]) -> Any:
    given: dict[str, Any] = {}
    for name, kind in get_type_hints(target).items():
        variable = f"{prefix}{name.upper()}"
        if dataclasses.is_dataclass(kind):
            given[name] = _build(kind, f"{variable}_", values)  # type: ignore[arg-type]
        elif variable in values:
            given[name] = _convert(values[variable], kind, variable)
    try:
        return target(**given)
    except TypeError as exc:
        missing = [f.name for f in dataclasses.fields(target) if f.name not in given and _is_required(f)]
        raise ConfigError(f"{', '.join(prefix + name.upper() for name in missing)} must be set") from exc


def _is_required(each: dataclasses.Field[Any]) -> bool:
    return each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING


_BOOLEANS: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def _convert(text: str, kind: Any, variable: str) -> Any:
    """The text as its field's type. Errors name the variable and what it should be, never the text."""
    if get_origin(kind) in {Union, types.UnionType}:
        (kind,) = [each for each in get_args(kind) if each is not types.NoneType]
    if get_origin(kind) is tuple:
        return tuple(
            _convert(part.strip(), get_args(kind)[0], variable) for part in text.split(",") if part.strip()
        )
    if get_origin(kind) is Literal:
        return _one_of(text, get_args(kind), variable)
    if kind is bool:
        return _BOOLEANS[_one_of(text.lower(), tuple(_BOOLEANS), variable)]
    if kind in {str, Secret, Path}:
        return kind(text)
    try:
        return {int: int, float: float}[kind](text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise ConfigError(f"{variable} is not {expected}") from None


def _one_of(text: str, choices: tuple[Any, ...], variable: str) -> Any:
    if text not in choices:
        raise ConfigError(f"{variable} is none of {', '.join(map(str, choices))}")
    return text
