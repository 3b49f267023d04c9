"""Remote key sets: how often they are fetched, whatever callers, attackers and endpoints do."""

from __future__ import annotations

import json
import time

import anyio
import pytest

from backstay.clock import ManualClock
from backstay.errors import ConfigError, InvalidToken, TokenReason, TokenStoreUnavailable
from backstay.tokens import JwtCodec, KeyRing, TokenProfile
from backstay.tokens.jose import generate_key
from backstay.tokens.jwks import RemoteKeys, https_fetch

pytestmark = pytest.mark.asyncio
KEY = generate_key("ES256", kid="k1")
NEXT = generate_key("EdDSA", kid="k2")
RSA = generate_key("RS256", kid="r", bits=2048)
PROFILE = TokenProfile.access(issuer="https://issuer.example", audience="api")


class Endpoint:
    """Answers what it is told to, and counts."""

    def __init__(self, *keys) -> None:
        self.count = 0
        self.gate = anyio.Event()
        self.gate.set()
        self.down = False
        self.serve(*keys)

    def serve(self, *keys) -> None:
        self.body = json.dumps({"keys": [dict(key.public_jwk) for key in keys]}).encode()

    async def __call__(self, url: str, /) -> bytes:
        self.count += 1
        await self.gate.wait()
        if self.down:
            raise ConnectionError("down")
        return self.body


def make(*keys, **options):
    clock, endpoint = ManualClock(), Endpoint(*keys)
    return clock, endpoint, RemoteKeys("https://issuer.example/jwks", fetch=endpoint, clock=clock, **options)


async def test_one_fetch_for_fifty_cold_callers() -> None:
    _, endpoint, keys = make(KEY)
    endpoint.gate = anyio.Event()
    codec = JwtCodec(keys)
    now = int(time.time())
    claims = {
        "iss": PROFILE.issuer,
        "aud": "api",
        "sub": "u",
        "client_id": "c",
        "iat": now,
        "exp": now + 60,
        "jti": "j",
    }
    token = JwtCodec(KeyRing([KEY])).encode_now(claims, profile=PROFILE)
    verified = []

    async def caller() -> None:
        verified.append(await codec.decode(token, expect=PROFILE))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(caller)
        await anyio.wait_all_tasks_blocked()
        endpoint.gate.set()
    assert len(verified) == 50
    assert endpoint.count == 1


@pytest.mark.parametrize("down", [False, True])
async def test_one_fetch_per_cooldown_under_ten_thousand_random_kids(down: bool) -> None:
    clock, endpoint, keys = make(KEY)
    await keys.ensure("k1")
    endpoint.down = down
    clock.advance(31)
    for number in range(10_000):
        if down:
            with pytest.raises(TokenStoreUnavailable):
                await keys.ensure(f"random-{number}")
        else:
            await keys.ensure(f"random-{number}")
    assert endpoint.count == 2
    assert keys.verification_key("k1") is not None


async def test_a_dead_endpoint_is_unavailable_and_asked_once_per_cooldown() -> None:
    clock, endpoint, keys = make(KEY)
    endpoint.down = True
    for _ in range(3):
        for _ in range(100):
            with pytest.raises(TokenStoreUnavailable):
                await keys.ensure("k1")
        clock.advance(30)
    assert endpoint.count == 3


async def test_a_new_key_is_found_after_the_cooldown() -> None:
    clock, endpoint, keys = make(KEY)
    await keys.ensure("k1")
    endpoint.serve(KEY, NEXT)
    await keys.ensure("k2")
    assert keys.verification_key("k2") is None
    clock.advance(30)
    await keys.ensure("k2")
    assert keys.verification_key("k2") is not None
    assert keys.version == 2


async def test_a_removed_key_goes_with_the_next_fetch() -> None:
    clock, endpoint, keys = make(KEY, NEXT)
    await keys.ensure("k1")
    endpoint.serve(NEXT)
    clock.advance(601)
    assert keys.verification_key("k1") is None
    await keys.ensure("k1")
    assert keys.verification_key("k1") is None
    assert keys.verification_key("k2") is not None


async def test_a_set_that_cannot_be_renewed_is_used_for_a_bounded_time() -> None:
    clock, endpoint, keys = make(KEY, max_stale=100.0)
    await keys.ensure("k1")
    endpoint.down = True
    clock.advance(601)
    await keys.ensure("k1")
    assert keys.verification_key("k1") is not None
    clock.advance(100)
    with pytest.raises(TokenStoreUnavailable):
        await keys.ensure("k1")
    endpoint.down = False
    clock.advance(30)
    await keys.ensure("k1")
    assert keys.verification_key("k1") is not None


async def test_a_caller_who_gives_up_does_not_keep_others_waiting() -> None:
    _, endpoint, keys = make(KEY)
    endpoint.gate = anyio.Event()
    with anyio.move_on_after(0.01):
        await keys.ensure("k1")
    endpoint.gate.set()
    await keys.ensure("k1")
    assert endpoint.count == 2


async def test_an_endpoint_that_hangs_is_given_up() -> None:
    _, endpoint, keys = make(KEY, timeout=0.01)
    endpoint.gate = anyio.Event()
    with pytest.raises(TokenStoreUnavailable):
        await keys.ensure("k1")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[],"keys":[]}',
        b"\xff",
        b'{"keys":[' + b" " * 300_000 + b"]}",
    ],
)
async def test_a_body_that_is_no_key_set_is_a_failure(body: bytes) -> None:
    _, endpoint, keys = make(KEY)
    endpoint.body = body
    with pytest.raises(TokenStoreUnavailable):
        await keys.ensure("k1")


async def test_what_cannot_be_used_is_passed_over_and_an_ambiguous_set_refused() -> None:
    _, endpoint, keys = make(KEY)
    rsa = {name: value for name, value in dict(RSA.public_jwk).items() if name not in {"alg", "use"}}
    odd = [None, 1, {"kty": "AKP", "kid": "pq"}, {"kty": "oct", "kid": "s", "k": "A" * 43, "alg": "HS256"}]
    odd += [{**dict(KEY.public_jwk), "kid": "enc", "use": "enc"}, rsa]
    endpoint.body = json.dumps({"keys": [*odd, dict(KEY.public_jwk)]}).encode()
    await keys.ensure("k1")
    assert [kid for kid in ("k1", "pq", "s", "enc", "r") if keys.verification_key(kid)] == ["k1", "r"]
    assert keys.verification_key("r").alg == "RS256"
    _, endpoint, keys = make(KEY, KEY)
    with pytest.raises(TokenStoreUnavailable):
        await keys.ensure("k1")


@pytest.mark.parametrize(
    "url", ["http://issuer.example", "ftp://x", "file:///etc/passwd", "https://", "https://u:p@x"]
)
async def test_only_https_and_no_credentials(url: str) -> None:
    with pytest.raises(ConfigError):
        RemoteKeys(url)


async def serve(listener, answer: bytes) -> None:
    async def handle(stream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(answer)

    await listener.serve(handle)


@pytest.mark.parametrize(
    ("head", "good"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\n", False),
        (b"HTTP/1.1 500 Oops\r\n", False),
        (b"nonsense\r\n", False),
    ],
)
async def test_the_default_transport_follows_no_redirect(head: bytes, good: bool) -> None:
    body = json.dumps({"keys": [dict(KEY.public_jwk)]}).encode()
    answer = head + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        keys = RemoteKeys(f"http://127.0.0.1:{port}/jwks", fetch=https_fetch, allow_http=True)
        async with anyio.create_task_group() as group:
            group.start_soon(serve, listener, answer)
            if good:
                await keys.ensure("k1")
                assert keys.verification_key("k1") is not None
            else:
                with pytest.raises(TokenStoreUnavailable):
                    await keys.ensure("k1")
            group.cancel_scope.cancel()


async def test_an_unknown_key_of_a_good_endpoint_is_an_invalid_token() -> None:
    _, _, keys = make(NEXT)
    now = int(time.time())
    claims = {
        "iss": PROFILE.issuer,
        "aud": "api",
        "sub": "u",
        "client_id": "c",
        "iat": now,
        "exp": now + 60,
        "jti": "j",
    }
    token = JwtCodec(KeyRing([KEY])).encode_now(claims, profile=PROFILE)
    with pytest.raises(InvalidToken) as caught:
        await JwtCodec(keys).decode(token, expect=PROFILE)
    assert caught.value.reason is TokenReason.UNKNOWN_KEY
