"""The service over the memory store, with time at our command."""

from __future__ import annotations

import logging
from datetime import timedelta

import anyio
import pytest

from backstay.clock import ManualClock
from backstay.errors import InvalidToken, KeyRejected, TokenReason, TokenStoreUnavailable
from backstay.events import Emitter
from backstay.tokens import JwtCodec, KeyRing, TokenProfile
from backstay.tokens.events import RefreshReused, SessionRevoked, TokenRefused, UserRevoked
from backstay.tokens.jose import generate_key
from backstay.tokens.lifetimes import Lifetimes
from backstay.tokens.memory import MemoryTokenStore
from backstay.tokens.refresh import Position, RefreshSecrets
from backstay.tokens.revocation import LocalRevocations, Standing
from backstay.tokens.service import AuthContext, TokenService

KEY = generate_key("ES256", kid="k")
PROFILE = TokenProfile.access(issuer="https://issuer.example", audience="api")
SECRETS = {"a": b"a" * 32, "b": b"b" * 32}


class House:
    """A service with everything around it in reach."""

    def __init__(self, **options) -> None:
        self.clock = ManualClock()
        self.events: list[object] = []
        self.emit = Emitter([self.events.append])
        self.store = options.pop("store", None) or MemoryTokenStore(clock=self.clock)
        self.disabled: set[str] = set()
        self.tier = LocalRevocations(self.store, clock=self.clock)
        self.secrets = options.pop("secrets", RefreshSecrets(SECRETS, current="a"))
        self.service = TokenService(
            codec=JwtCodec(KeyRing([KEY], clock=self.clock), clock=self.clock),
            profile=PROFILE,
            store=self.store,
            log=self.store,
            secrets=self.secrets,
            revocations=self.tier,
            users=self.user,
            events=self.emit,
            clock=self.clock,
            **options,
        )

    async def user(self, name: str):
        return None if name in self.disabled else {"roles": ["reader"]}

    async def issue(self, user: str = "alice", **options):
        return await self.service.issue(user, client_id="web", scopes=["read", "write"], **options)

    async def refresh(self, token: str, **options):
        return await self.service.refresh(token, **{"client_id": "web", **options})

    async def refused(self, awaitable) -> TokenReason:
        with pytest.raises(InvalidToken) as caught:
            await awaitable
        return caught.value.reason

    def told(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


pytestmark = pytest.mark.asyncio


async def test_a_pair_says_who_and_how_and_for_how_long() -> None:
    house = House()
    pair = await house.issue(auth=AuthContext(acr="mfa", amr=["pwd", "otp"]))
    token = await house.service.authenticate(pair.access_token)
    assert (token.subject, token.client_id, token.session_id) == ("alice", "web", pair.session_id)
    assert token.scopes == {"read", "write"}
    assert token.claims["acr"] == "mfa"
    assert token.claims["amr"] == ["pwd", "otp"]
    assert token.claims["roles"] == ["reader"]
    assert pair.expires_in == 600
    assert pair.access_token not in repr(pair)
    assert pair.refresh_token not in repr(pair)


async def test_a_session_goes_on_and_keeps_how_it_began() -> None:
    house = House()
    pair = await house.issue(auth=AuthContext(acr="mfa"))
    began = (await house.service.authenticate(pair.access_token)).claims["auth_time"]
    for _ in range(5):
        house.clock.advance(3600)
        pair = await house.refresh(pair.refresh_token)
        token = await house.service.authenticate(pair.access_token)
        assert token.claims["acr"] == "mfa"
        assert token.claims["auth_time"] == began


async def test_racers_get_one_successor_under_rotating_secrets() -> None:
    house = House()
    pair = await house.issue()
    other = House(store=house.store, secrets=RefreshSecrets(SECRETS, current="b"))
    tokens = {(await h.refresh(pair.refresh_token)).refresh_token for h in (house, other, house, other)}
    assert len(tokens) == 1
    assert (await other.refresh(tokens.pop())).refresh_token.startswith("bsr1.b.")


async def test_a_reuse_ends_the_session_and_tells_so_without_a_token() -> None:
    house = House()
    first = await house.issue()
    second = await house.refresh(first.refresh_token)
    third = await house.refresh(second.refresh_token)
    assert await house.refused(house.refresh(first.refresh_token)) is TokenReason.REUSED
    (event,) = house.told(RefreshReused)
    assert (event.user, event.session) == ("alice", first.session_id)
    assert (event.presented_generation, event.current_generation) == (0, 2)
    for pair in (first, second, third):
        assert pair.refresh_token not in repr(house.events)
        assert await house.refused(house.service.authenticate(pair.access_token)) is TokenReason.REVOKED
    assert await house.refused(house.refresh(third.refresh_token)) is TokenReason.REVOKED


async def test_a_stolen_token_is_found_out_whoever_is_first() -> None:
    for thief_first in (True, False):
        house = House()
        stolen = (await house.issue()).refresh_token
        first = await house.refresh(stolen)
        house.clock.advance(60)
        if thief_first:
            await house.refresh(first.refresh_token)
        assert await house.refused(house.refresh(stolen)) is TokenReason.REUSED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t[:-1] + ("A" if t[-1] != "A" else "E"), TokenReason.SIGNATURE),
        (lambda t: t.replace(".0.", ".1."), TokenReason.SIGNATURE),
        (lambda t: t.replace("bsr1.a.", "bsr1.b."), TokenReason.SIGNATURE),
        (lambda t: t.replace("bsr1.a.", "bsr1.c."), TokenReason.UNKNOWN_KEY),
        (lambda t: t.replace(".0.", ".00."), TokenReason.MALFORMED),
        (lambda t: t + "\n", TokenReason.MALFORMED),
        (lambda t: t.replace(".0.", ".٠."), TokenReason.MALFORMED),
        (lambda t: "", TokenReason.MALFORMED),
        (lambda t: t * 50, TokenReason.TOO_LARGE),
        (lambda t: None, TokenReason.MALFORMED),
    ],
)
async def test_a_forged_token_asks_no_store(change, reason) -> None:
    house = House()
    pair = await house.issue()
    house.service._store = None
    assert await house.refused(house.refresh(change(pair.refresh_token))) is reason


async def test_another_client_and_another_scope() -> None:
    house = House()
    pair = await house.issue()
    assert await house.refused(house.refresh(pair.refresh_token, client_id="x")) is TokenReason.WRONG_CLIENT
    assert await house.refused(house.refresh(pair.refresh_token, scopes=["admin"])) is TokenReason.SCOPE
    narrow = await house.refresh(pair.refresh_token, scopes=["read"])
    assert narrow.scope == "read"
    assert (await house.refresh(narrow.refresh_token)).scope == "read write"


async def test_a_bound_session_needs_its_key() -> None:
    house = House()
    pair = await house.issue(jkt="thumb")
    assert pair.token_type == "DPoP"
    assert await house.refused(house.refresh(pair.refresh_token)) is TokenReason.BINDING
    pair = await house.refresh(pair.refresh_token, jkt="thumb")
    assert (await house.service.authenticate(pair.access_token, jkt="thumb")).claims["cnf"] == {"jkt": "thumb"}


async def test_a_disabled_user_gets_nothing_and_loses_the_session() -> None:
    house = House()
    pair = await house.issue()
    house.disabled.add("alice")
    assert await house.refused(house.refresh(pair.refresh_token)) is TokenReason.USER_DISABLED
    house.disabled.clear()
    assert await house.refused(house.refresh(pair.refresh_token)) is TokenReason.REVOKED
    house.disabled.add("bob")
    assert await house.refused(house.issue("bob")) is TokenReason.USER_DISABLED


async def test_idle_and_absolute_ends() -> None:
    house = House(lifetimes=Lifetimes(idle=timedelta(hours=1), absolute=timedelta(hours=2)))
    idle, busy = await house.issue(), await house.issue()
    house.clock.advance(3000)
    busy = await house.refresh(busy.refresh_token)
    house.clock.advance(3000)
    assert await house.refused(house.refresh(idle.refresh_token)) is TokenReason.EXPIRED
    busy = await house.refresh(busy.refresh_token)
    house.clock.advance(1100)
    busy = await house.refresh(busy.refresh_token)
    assert busy.expires_in == 100
    house.clock.advance(101)
    assert await house.refused(house.refresh(busy.refresh_token)) in {
        TokenReason.EXPIRED,
        TokenReason.UNKNOWN_SESSION,
    }


async def test_revoking_an_access_token_leaves_its_session() -> None:
    house = House()
    pair = await house.issue()
    await house.service.revoke(pair.access_token, client_id="another")
    await house.service.authenticate(pair.access_token)
    await house.service.revoke(pair.access_token)
    assert await house.refused(house.service.authenticate(pair.access_token)) is TokenReason.REVOKED
    again = await house.refresh(pair.refresh_token)
    await house.service.authenticate(again.access_token)


async def test_revoking_a_refresh_token_ends_its_session() -> None:
    house = House()
    pair = await house.issue()
    await house.service.revoke(pair.refresh_token, client_id="another")
    await house.service.authenticate(pair.access_token)
    await house.service.revoke(pair.refresh_token)
    assert await house.refused(house.service.authenticate(pair.access_token)) is TokenReason.REVOKED
    assert house.told(SessionRevoked) == [SessionRevoked(session=pair.session_id)]


async def test_revoking_nonsense_is_no_error() -> None:
    house = House()
    for nonsense in ("", "x", "bsr1.x", "a.b.c"):
        await house.service.revoke(nonsense)


async def test_revoking_a_user_keeps_the_session_that_is_kept() -> None:
    house = House()
    kept, other = await house.issue(), await house.issue()
    assert await house.service.revoke_user("alice", keep_session=kept.session_id) == 1
    await house.service.authenticate(kept.access_token)
    kept = await house.refresh(kept.refresh_token)
    await house.service.authenticate(kept.access_token)
    assert await house.refused(house.service.authenticate(other.access_token)) is TokenReason.REVOKED
    assert await house.refused(house.refresh(other.refresh_token)) is TokenReason.REVOKED
    fresh = await house.issue()
    await house.service.authenticate(fresh.access_token)
    assert [s.family for s in await house.service.sessions("alice")] == [
        fresh.session_id,
        kept.session_id,
    ] or len(await house.service.sessions("alice")) == 2
    assert house.told(UserRevoked) == [UserRevoked(user="alice", sessions=1, kept=kept.session_id)]


async def test_introspection_says_nothing_of_an_inactive_token() -> None:
    house = House()
    pair = await house.issue()
    answer = (await house.service.introspect(pair.access_token)).as_dict()
    assert answer["active"] is True
    assert (answer["sub"], answer["scope"], answer["token_type"]) == ("alice", "read write", "Bearer")
    await house.service.revoke(pair.access_token)
    assert (await house.service.introspect(pair.access_token)).as_dict() == {"active": False}
    assert (await house.service.introspect("nonsense")).as_dict() == {"active": False}


class Dead:
    """A store that answers nothing."""

    def __getattr__(self, name: str):
        async def fail(*_, **__):
            raise TokenStoreUnavailable("the store does not answer")

        return fail


async def test_a_dead_store_is_unavailable_and_never_invalid() -> None:
    house = House()
    pair = await house.issue()
    house.service._store = house.service._log = house.tier._log = Dead()
    house.clock.advance(2)  # the local copy is older than it may be
    calls = [
        house.issue(),
        house.refresh(pair.refresh_token),
        house.service.revoke_user("alice"),
        house.service.sessions("alice"),
        house.service.authenticate(pair.access_token),
        house.service.introspect(pair.access_token),
        house.service.revoke(pair.refresh_token),
    ]
    for call in calls:
        with pytest.raises(TokenStoreUnavailable):
            await call


async def test_a_fresh_copy_asks_nobody_and_a_stale_one_the_log() -> None:
    house = House()
    pair = await house.issue()
    await house.tier.catch_up()
    house.tier._log, log = Dead(), house.tier._log
    token = await house.service.authenticate(pair.access_token)
    assert house.tier.standing(token) is Standing.GOOD
    house.clock.advance(1.01)
    assert house.tier.standing(token) is Standing.STALE
    house.tier._log = log
    await log.end_session(pair.session_id)
    assert await house.refused(house.service.authenticate(pair.access_token)) is TokenReason.REVOKED


async def test_what_is_known_here_is_said_at_once() -> None:
    house = House()
    pair = await house.issue()
    assert house.service.authenticate_now(pair.access_token) is None  # nothing is known of revocations yet
    token = await house.service.authenticate(pair.access_token)
    assert house.service.authenticate_now(pair.access_token) == token
    # Whatever has to be asked for is left to who can wait; a refusal that stands is not.
    await house.service.revoke(pair.access_token)
    assert house.service.authenticate_now(pair.access_token) is None
    assert await house.refused(house.service.authenticate(pair.access_token)) is TokenReason.REVOKED
    other = House()
    strange = await TokenService(
        codec=JwtCodec(KeyRing([generate_key("ES256", kid="of another")], clock=house.clock), clock=house.clock),
        profile=PROFILE, store=other.store, log=other.store, secrets=other.secrets, clock=house.clock,
    ).issue("alice", client_id="web")  # fmt: skip
    assert house.service.authenticate_now(strange.access_token) is None
    assert await house.refused(house.service.authenticate(strange.access_token)) is TokenReason.UNKNOWN_KEY
    told = len(house.told(TokenRefused))
    for bad, reason in (
        ("nonsense", TokenReason.MALFORMED),
        ((await house.issue(jkt="A" * 43)).access_token, TokenReason.BINDING),
    ):
        with pytest.raises(InvalidToken) as caught:
            house.service.authenticate_now(bad)
        assert caught.value.reason is reason
    assert len(house.told(TokenRefused)) == told + 2
    good = await house.issue()
    house.clock.advance(2)
    assert house.service.authenticate_now(good.access_token) is None  # the copy is too old to be believed


async def test_the_copy_follows_the_log_and_forgets_what_has_expired() -> None:
    house = House()
    pair = await house.issue()
    token = await house.service.authenticate(pair.access_token)
    async with anyio.create_task_group() as group:
        group.start_soon(house.tier.run)
        await anyio.wait_all_tasks_blocked()
        await house.store.end_session(pair.session_id)
        await anyio.wait_all_tasks_blocked()
        assert house.tier.standing(token) is Standing.REVOKED
        group.cancel_scope.cancel()
    for number in range(100):
        await house.store.deny(f"t{number}", expires_at=house.clock.now().timestamp() + 60)
    await house.store.end_user("bob")
    await house.tier.catch_up()
    assert len(house.tier) == 102
    house.clock.advance(3660 + 3660 / 4)
    await house.tier.catch_up()
    assert len(house.tier) == 0


async def test_refusals_are_told_with_a_fingerprint() -> None:
    house = House()
    await house.refused(house.service.authenticate("a.b.c"))
    (event,) = house.told(TokenRefused)
    assert event.reason is TokenReason.ENCODING
    assert len(event.fingerprint) == 16


async def test_no_secret_shows_anywhere(caplog) -> None:
    caplog.set_level(logging.DEBUG)
    house = House()
    pair = await house.issue()
    shown = [repr(house.secrets), repr(KEY), str(KEY), repr(house.events), repr(pair), caplog.text]
    try:
        await house.refresh(pair.refresh_token + "x")
    except InvalidToken as exc:
        shown += [repr(exc), str(exc), repr(exc.args)]
    private = KEY.private_jwk()["d"]
    for text in shown:
        for secret in (pair.access_token, pair.refresh_token, private, "a" * 32):
            assert secret not in text


async def test_secrets_are_long_enough_and_the_current_one_is_there() -> None:
    for secrets, current in (({"a": b"short"}, "a"), ({"a": b"a" * 32}, "b"), ({"a.b": b"a" * 32}, "a.b")):
        with pytest.raises(KeyRejected):
            RefreshSecrets(secrets, current=current)
    removed = RefreshSecrets({"b": b"b" * 32}, current="b")
    with pytest.raises(InvalidToken):
        removed.token(Position(kid="a", family="x" * 22, generation=1))


async def test_access_tokens_never_outlive_their_profile() -> None:
    with pytest.raises(ValueError, match="longer"):
        House(lifetimes=Lifetimes(access=timedelta(hours=2)))


@pytest.mark.parametrize("text", ["", "a\x00b", "a\nb", "\ud800", "x" * 1025])
async def test_what_no_store_could_keep_is_named_before_one_is_asked(text: str) -> None:
    house = House()
    with pytest.raises(ValueError, match="user must be"):
        await house.service.issue(text, client_id="web")
    with pytest.raises(ValueError, match="client_id must be"):
        await house.service.issue("alice", client_id=text)
    pair = await house.issue()
    with pytest.raises(InvalidToken) as refused:
        await house.service.refresh(pair.refresh_token, client_id=text)
    assert refused.value.reason is TokenReason.WRONG_CLIENT


async def test_a_device_is_kept_as_far_as_it_can_be_shown() -> None:
    house = House()
    await house.service.issue("alice", client_id="web", device="a\x00 \ud800tele\nphone" + "x" * 400)
    (session,) = await house.service.sessions("alice")
    assert session.device == "a telephone" + "x" * 245
