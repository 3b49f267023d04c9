from contextlib import AsyncExitStack, asynccontextmanager
import secrets, os, time
import pytest
from backstay.cache.redis import RedisCache
from backstay.testing.schedules import ScheduleSuite

class TestOnRedis(ScheduleSuite):
    schedules = 500
    @pytest.fixture(autouse=True)
    def _url(self, redis_url): self.url = redis_url
    @asynccontextmanager
    async def open_nodes(self, count):
        prefix = f"fuzz-{secrets.token_hex(6)}:"
        async with AsyncExitStack() as stack:
            yield [await stack.enter_async_context(RedisCache.open(self.url, prefix=prefix, budget=10.0)) for _ in range(count)]
