"""Wrong uses of the adapters: each line that is marked must be refused, and no other."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from starlette.requests import Request

import backstay.web.fastapi as on_fastapi
import backstay.web.litestar as on_litestar
import backstay.web.starlette as on_starlette
from backstay.tokens import VerifiedToken
from backstay.web.auth import Authenticator, Transport


@dataclass
class User:
    id: str


async def load(token: VerifiedToken, /) -> User | None:
    return User(token.subject)


def not_async(token: VerifiedToken, /) -> User | None:
    return None


async def by_name(name: str, /) -> User | None:
    return User(name)


class NoAccounts:
    async def find(self, username: str, /) -> str:
        return username


auth = on_fastapi.Auth(load)
on_fastapi.Auth(not_async)  # WRONG
on_fastapi.Auth(by_name)  # WRONG: a loader is given the verified token
on_starlette.Auth(by_name)  # WRONG
on_litestar.Auth(by_name)  # WRONG
Authenticator(by_name)  # WRONG
Authenticator(load, tokens="tokens")  # WRONG
Authenticator(load, transport=Transport(cookies="session"))  # WRONG
auth.router(NoAccounts())  # WRONG
auth.require("admin")  # WRONG: a requirement is made by role(), scope() or permission()
auth.require_permissions(1)  # WRONG
auth.install("app")  # WRONG
auth.install(FastAPI(), first_message="yes")  # WRONG
on_litestar.BackstayPlugin(load)  # WRONG: the plugin takes an Auth


async def calls(connection: HTTPConnection, request: Request) -> None:
    user = await auth.current_user(connection, SecurityScopes())
    print(user.username)  # WRONG: this application's users have none
    maybe = await auth.optional_user(connection)
    print(maybe.id)  # WRONG: there may be nobody
    await on_starlette.Auth(load).require(request, "admin")  # WRONG
    text: str = await on_starlette.Auth(load).current_user(request)  # WRONG
    text.strip()
