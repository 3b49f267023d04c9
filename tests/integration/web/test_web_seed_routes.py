"""The seed's two routes, word for word, in FastAPI; the same names in the other two. Nothing else is set up."""

import httpx2
import litestar
import pytest
from fastapi import APIRouter, Depends, FastAPI
from litestar.di import NamedDependency, Provide
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import backstay.web.litestar as on_litestar
import backstay.web.starlette as on_starlette
from backstay import Backstay, Settings
from backstay.container import current_backstay
from backstay.web.fastapi import get_current_user, require_admin

from .serving import served

CHALLENGE = 'Bearer realm="api"'
router = APIRouter()


# fmt: off
@router.get("/protected")
async def protected_route(user=Depends(get_current_user)): return {"user": user.username}  # noqa: B008


@router.get("/admin")
async def admin_route(user=Depends(require_admin)): return {"message": "Admin access granted"}  # noqa: B008
# fmt: on


async def claims(user: str) -> dict[str, object]:
    return {"preferred_username": user.title()} | ({"roles": ["admin"]} if user == "root" else {})


LIFESPAN = Backstay.lifespan(Settings(), users=claims)


def on_fastapi():
    app = FastAPI(lifespan=LIFESPAN)
    app.include_router(router)
    return app


def on_starlettes():
    async def protected(request):
        user = await on_starlette.get_current_user(request)
        return JSONResponse({"user": user.username})

    async def admin(request):
        await on_starlette.require_admin(request)
        return JSONResponse({"message": "Admin access granted"})

    return Starlette(routes=[Route("/protected", protected), Route("/admin", admin)], lifespan=LIFESPAN)


def on_litestars():
    @litestar.get("/protected", dependencies={"user": Provide(on_litestar.get_current_user)})
    async def protected(user: NamedDependency[object]) -> dict[str, str]:
        return {"user": user.username}

    @litestar.get("/admin", guards=[on_litestar.require_admin])
    async def admin() -> dict[str, str]:
        return {"message": "Admin access granted"}

    return litestar.Litestar([protected, admin], lifespan=[LIFESPAN])


@pytest.mark.asyncio
@pytest.mark.parametrize("make", [on_fastapi, on_starlettes, on_litestars])
async def test_the_two_routes(make):
    async with served(make()) as host, httpx2.AsyncClient(base_url=f"http://{host}") as client:
        service = current_backstay.get().tokens
        ada, root = [await service.issue(name, client_id="web") for name in ("ada", "root")]
        for path, pair, status, body in (
            ("/protected", ada, 200, {"user": "Ada"}),
            ("/admin", root, 200, {"message": "Admin access granted"}),
            ("/admin", ada, 403, None),
        ):
            answer = await client.get(path, headers={"Authorization": f"Bearer {pair.access_token}"})
            assert answer.status_code == status
            assert body is None or answer.json() == body
        nobody = await client.get("/protected")
        assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, CHALLENGE)
        await service.revoke_session(ada.session_id)
        late = await client.get("/protected", headers={"Authorization": f"Bearer {ada.access_token}"})
        assert late.status_code == 401
        assert 'error="invalid_token"' in late.headers["www-authenticate"]
