"""What a token must grant: scopes, roles, permissions and freshness, composed like a formula.

A requirement is a value: it can be named, compared, shown in an API description, and evaluated without I/O::

    may_approve = all_of(scope("orders:write"), any_of(role("admin"), permission("orders.approve")))
    verdict = evaluate(may_approve, grants)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias, assert_never

from backstay.errors import InsufficientPermission

from .claims import VerifiedToken


@dataclass(frozen=True, slots=True)
class Scope:
    """The token was given this scope."""

    name: str


@dataclass(frozen=True, slots=True)
class Role:
    """The bearer has this role."""

    name: str


@dataclass(frozen=True, slots=True)
class Permission:
    """The bearer has this permission."""

    name: str


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Recently enough, strongly enough (RFC 9470). What is None is not asked."""

    max_age: timedelta | None = None
    acr: frozenset[str] | None = None
    amr: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one of them; of none, yes."""

    parts: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of them; of none, no."""

    parts: tuple[Requirement, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Not that one."""

    part: Requirement


Requirement: TypeAlias = Scope | Role | Permission | Authenticated | AllOf | AnyOf | Not


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What a bearer has, read from a token once."""

    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    acr: str = ""
    amr: frozenset[str] = frozenset()
    auth_time: float | None = None

    @classmethod
    def of(cls, token: VerifiedToken, /) -> Grants:
        """What a verified token grants."""
        claims: Mapping[str, Any] = token.claims
        return cls(
            scopes=token.scopes,
            roles=frozenset(claims.get("roles", ())),
            permissions=frozenset(claims.get("permissions", ())),
            acr=claims.get("acr", ""),
            amr=frozenset(claims.get("amr", ())),
            auth_time=claims.get("auth_time"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether the requirement is met; if not, what the challenge to the client must say.

    `missing_scopes` are those of the requirement that would help; `step_up` is the strongest authentication
    that was asked for and not met: answer 401 ``insufficient_user_authentication`` when it is set, else 403.
    """

    allowed: bool
    missing_scopes: frozenset[str] = frozenset()
    step_up: Authenticated | None = field(default=None)


def scope(name: str, /) -> Scope:
    """Require a scope."""
    return Scope(_named(name))


def role(name: str, /) -> Role:
    """Require a role."""
    return Role(_named(name))


def permission(name: str, /) -> Permission:
    """Require a permission."""
    return Permission(_named(name))


def authenticated(
    *,
    max_age: timedelta | None = None,
    acr: str | Iterable[str] | None = None,
    amr: Iterable[str] | None = None,
) -> Authenticated:
    """Require that the login is at most `max_age` old, of one of the classes `acr`, by all methods `amr`."""
    classes = None if acr is None else frozenset([acr] if isinstance(acr, str) else acr)
    return Authenticated(max_age, classes, None if amr is None else frozenset(amr))


def all_of(*parts: Requirement) -> AllOf:
    """Require all of them."""
    return AllOf(parts)


def any_of(*parts: Requirement) -> AnyOf:
    """Require one of them. At least one must be named: an empty choice would lock everybody out."""
    if not parts:
        raise ValueError("any_of needs at least one requirement")
    return AnyOf(parts)


def not_(part: Requirement, /) -> Not:
    """Require that it is not met."""
    return Not(part)


def met(requirement: Requirement, grants: Grants, *, now: float) -> bool:
    """Whether the grants meet the requirement at a Unix time."""
    match requirement:
        case Scope(name):
            return name in grants.scopes
        case Role(name):
            return name in grants.roles
        case Permission(name):
            return name in grants.permissions
        case Authenticated():
            return _recent(requirement, grants, now) and _strong(requirement, grants)
        case AllOf(parts):
            return all(met(part, grants, now=now) for part in parts)
        case AnyOf(parts):
            return any(met(part, grants, now=now) for part in parts)
        case Not(part):
            return not met(part, grants, now=now)
        case _:
            assert_never(requirement)


def evaluate(requirement: Requirement, grants: Grants, *, now: float) -> Decision:
    """Decide, and say what a client could do about a refusal.

    A step-up is proposed only where it would help: where the rest of the requirement is met.
    """
    if met(requirement, grants, now=now):
        return Decision(allowed=True)
    unmet = [part for part in _leaves(requirement) if not met(part, grants, now=now)]
    logins = [part for part in unmet if isinstance(part, Authenticated)]
    stepped_up = met(_assuming(requirement, frozenset(logins)), grants, now=now)
    return Decision(
        allowed=False,
        missing_scopes=frozenset(part.name for part in unmet if isinstance(part, Scope)),
        step_up=_strongest(logins) if stepped_up and logins else None,
    )


def require(requirement: Requirement, token: VerifiedToken, *, now: float) -> None:
    """Return if the token meets the requirement.

    Raises:
        InsufficientPermission: it does not. The message names the requirement's kind, nothing of the bearer.
    """
    if not met(requirement, Grants.of(token), now=now):
        raise InsufficientPermission("the token does not grant what this call requires")


def scopes_of(requirement: Requirement, /) -> frozenset[str]:
    """All scopes that a requirement names, outside of a negation: for API descriptions and challenges."""
    return frozenset(part.name for part in _leaves(requirement) if isinstance(part, Scope))


def _named(name: str) -> str:
    # RFC 6749, 3.3: what a scope may hold; a space would make two of one.
    if not name or not all(0x21 <= ord(c) <= 0x7E and c not in '"\\' for c in name):
        raise ValueError("a scope, role or permission is of visible ASCII without quotes and backslashes")
    return name


def _recent(asked: Authenticated, grants: Grants, now: float) -> bool:
    if asked.max_age is None:
        return True
    # A login in the future is no recent one.
    return grants.auth_time is not None and 0 <= now - grants.auth_time + 1 <= asked.max_age.total_seconds() + 1


def _strong(asked: Authenticated, grants: Grants) -> bool:
    if asked.acr is not None and grants.acr not in asked.acr:
        return False
    return asked.amr is None or asked.amr <= grants.amr


def _leaves(requirement: Requirement) -> list[Requirement]:
    match requirement:
        case AllOf(parts) | AnyOf(parts):
            return [leaf for part in parts for leaf in _leaves(part)]
        case Not():
            return []
        case _:
            return [requirement]


def _assuming(requirement: Requirement, granted: frozenset[Requirement]) -> Requirement:
    match requirement:
        case AllOf(parts):
            return AllOf(tuple(_assuming(part, granted) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_assuming(part, granted) for part in parts))
        case _:
            return AllOf(()) if requirement in granted else requirement


def _strongest(logins: list[Authenticated]) -> Authenticated:
    ages = [login.max_age for login in logins if login.max_age is not None]
    classes = [login.acr for login in logins if login.acr is not None]
    methods = [login.amr for login in logins if login.amr is not None]
    return Authenticated(
        min(ages, default=None),
        frozenset[str]().union(*classes) if classes else None,
        frozenset[str]().union(*methods) if methods else None,
    )
