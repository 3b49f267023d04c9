"""Who uses the service: accounts in its database. Knows nothing of HTTP or of any web framework."""

from __future__ import annotations

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from backstay import Secret, hash_password, validate_password
from backstay.tokens import VerifiedToken
from backstay.web.auth import Account

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)
EMAIL = re.compile(r"[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9.-]{1,190}", re.ASCII)
SCOPES = frozenset({"prices:read", "prices:write"})


class Unfit(ValueError):
    """A sign-up that cannot be: the reasons, for whoever asked."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Taken(Exception):
    """There is such a user already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """What signing up takes."""

    username: str
    email: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user as the service knows one."""

    id: str
    username: str
    is_admin: bool


class People:
    """The users. `connected` opens the database behind it, and everything else works while that is open."""

    def __init__(self) -> None:
        self._engine: AsyncEngine | None = None

    @asynccontextmanager
    async def connected(self, url: Secret) -> AsyncIterator[None]:
        """Connect for as long as the block runs."""
        scheme, _, rest = url.reveal().partition("://")
        self._engine = engine = create_async_engine(f"{DRIVERS[scheme]}://{rest}")
        try:
            yield
        finally:
            self._engine = None
            await engine.dispose()

    async def sign_up(self, new: NewUser) -> User:
        """Make a user. The first one of all runs the place.

        Raises:
            Unfit: the name, the address or the password will not do.
            Taken: there is such a user.
        """
        await _check(new)
        user_id = str(uuid.uuid4())
        values = {"id": user_id, "username": new.username, "email": new.email}
        values["password_hash"] = await hash_password(new.password)
        try:
            await self._run(
                "INSERT INTO users (id, username, email, password_hash, is_admin) "
                "SELECT :id, :username, :email, :password_hash, NOT EXISTS (SELECT 1 FROM users)",
                **values,
            )
        except IntegrityError as exc:
            raise Taken("this name or this address is taken") from exc
        return await self._user(user_id) or User(id=user_id, username=new.username, is_admin=False)

    async def find(self, username: str, /) -> Account | None:
        """For signing in: see `backstay.web.auth.Accounts`."""
        if not NAME.fullmatch(username):
            return None
        row = await self._one(
            "SELECT id, password_hash, is_active FROM users WHERE lower(username) = lower(:name)", name=username
        )
        if row is None:
            return None
        return Account(id=row.id, password_hash=row.password_hash, is_active=bool(row.is_active), scopes=SCOPES)

    async def store_hash(self, account_id: str, password_hash: str, /) -> None:
        """For signing in: a better hash of the same password."""
        await self._run("UPDATE users SET password_hash = :hash WHERE id = :id", hash=password_hash, id=account_id)

    async def load(self, token: VerifiedToken, /) -> User | None:
        """The user of a verified token, or None once it is gone or disabled."""
        return await self._user(token.subject)

    async def claims(self, user_id: str) -> dict[str, object] | None:
        """What goes into a user's tokens, asked at each issue and refresh; None once it is gone or disabled."""
        user = await self._user(user_id)
        if user is None:
            return None
        roles: dict[str, object] = {"roles": ["admin"]} if user.is_admin else {}
        return {"preferred_username": user.username} | roles

    async def _user(self, user_id: str) -> User | None:
        row = await self._one(
            "SELECT id, username, is_admin FROM users WHERE id = :id AND is_active = :yes", id=user_id, yes=True
        )
        return None if row is None else User(id=row.id, username=row.username, is_admin=bool(row.is_admin))

    async def _one(self, statement: str, **values: Any) -> Any:
        async with self._open().connect() as connection:
            return (await connection.execute(text(statement), values)).one_or_none()

    async def _run(self, statement: str, **values: Any) -> None:
        async with self._open().begin() as connection:
            await connection.execute(text(statement), values)

    def _open(self) -> AsyncEngine:
        if self._engine is None:
            raise RuntimeError("the database is opened by the lifespan, and that does not run")
        return self._engine


async def _check(new: NewUser) -> None:
    reasons: list[str] = []
    if not NAME.fullmatch(new.username):
        reasons.append("a name has 1 to 64 letters, digits, dots, dashes and underscores")
    if not EMAIL.fullmatch(new.email):
        reasons.append("the e-mail address is none")
    fits, errors = await validate_password(new.password, username=new.username, email=new.email)
    if reasons or not fits:
        raise Unfit(*reasons, *map(str, errors))
