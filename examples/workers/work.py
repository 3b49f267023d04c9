"""The work itself, which knows no task queue: check a token, take a lock, fill the cache."""

from __future__ import annotations

from backstay.container import current_backstay
from backstay.errors import InvalidToken
from backstay.tokens import require, scope
from prices.lookups import forget, price_of

MAY_CORRECT = scope("prices:write")


async def recompute(symbol: str, access_token: str) -> str:
    """Forget what is cached of a symbol and compute its newest month; on whose behalf, a token says.

    The token is verified again here and not only when the task was queued: it may have been revoked since. The lock
    keeps two workers from computing the same symbol at once.
    """
    kit = current_backstay.get()
    assert kit.tokens is not None
    try:
        token = await kit.tokens.authenticate(access_token)
    except InvalidToken:
        return "refused"
    require(MAY_CORRECT, token, now=kit.clock.now().timestamp())
    async with kit.cache.lock(f"recompute:{symbol}", lease=30, wait=10):
        await forget(symbol)
        summary = await price_of(symbol, None)
    return f"{summary.symbol} {summary.price}"
