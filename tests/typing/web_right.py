"""What the adapters infer from the loader of users: the application's own type, everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, assert_type

from fastapi import Depends, FastAPI
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from starlette.requests import Request

import backstay.web.fastapi as on_fastapi
import backstay.web.litestar as on_litestar
import backstay.web.starlette as on_starlette
from backstay.tokens import VerifiedToken, all_of, role, scope
from backstay.web.auth import Account, Authenticator, Principal, TokenUser, user_of_token


@dataclass
class User:
    id: str


async def load(token: VerifiedToken, /) -> User | None:
    return User(token.subject)


class Accounts:
    async def find(self, username: str, /) -> Account | None:
        return Account(id=username, password_hash="")

    async def store_hash(self, account_id: str, password_hash: str, /) -> None: ...


auth = on_fastapi.Auth(load)
assert_type(auth, on_fastapi.Auth[User])
CurrentUser = Annotated[User, Depends(auth.current_user)]
app = FastAPI(lifespan=auth.lifespan())
auth.install(app)
app.include_router(auth.router(Accounts()))


@app.get("/")
async def route(user: CurrentUser, boss: Annotated[User, Depends(auth.require(role("admin")))]) -> str:
    return user.id + boss.id


async def in_fastapi(connection: HTTPConnection) -> None:
    assert_type(await auth.current_user(connection, SecurityScopes()), User)
    assert_type(await auth.optional_user(connection), User | None)
    assert_type(await auth.require_admin(connection, SecurityScopes()), User)
    assert_type(await auth.require(all_of(scope("a"), role("b")))(connection, SecurityScopes()), User)
    assert_type(await auth.require_permissions("a")(connection, SecurityScopes()), User)


async def in_starlette(request: Request) -> None:
    users = on_starlette.Auth(load)
    assert_type(await users.current_user(request), User)
    assert_type(await users.optional_user(request), User | None)
    assert_type(await users.require(request, role("admin")), User)
    assert_type(await users.require_admin(request), User)
    assert_type(await users.require_permissions(request, "a"), User)


async def in_litestar(request: Request) -> None:
    users = on_litestar.Auth(load)
    assert_type(users, on_litestar.Auth[User])


async def anywhere(request: Request) -> None:
    authenticator = Authenticator(load)
    assert_type(await authenticator.principal(request.scope), Principal[User])
    assert_type((await authenticator.principal(request.scope)).user, User)
    assert_type(Authenticator(user_of_token), Authenticator[TokenUser])
    assert_type(on_fastapi.Auth(authenticator), on_fastapi.Auth[User])
