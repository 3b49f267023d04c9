"""The token service that `Backstay.open` makes: of nothing, of settings, and refused."""

from __future__ import annotations

import base64
import dataclasses

import anyio
import pytest

from backstay import Backstay, Secret, Settings, from_env
from backstay.errors import ConfigError, InvalidToken, KeyRejected, TokenReason, TokenStoreUnavailable
from backstay.settings import TokenSettings
from backstay.tokens.ephemeral import EphemeralKeyRing
from backstay.tokens.events import EphemeralKeyMade, RevocationsStale, SessionsInMemory
from backstay.tokens.jose import generate_key
from backstay.tokens.keyfile import dump_ring
from backstay.tokens.keyring import RingKey

KEYS = Secret(dump_ring([RingKey(key=generate_key("ES256", kid="first"))]))
SECRETS = Secret("2026-11:" + base64.urlsafe_b64encode(b"s" * 32).decode().rstrip("="))
AWAY = Secret("redis://127.0.0.1:1/0")
FULL = TokenSettings(
    keys=KEYS, refresh_secrets=SECRETS, issuer="https://id.example", audience=("https://api.example",)
)


def settings(**changes) -> Settings:
    redis_url = changes.pop("redis_url", None)
    return Settings(redis_url=redis_url, token=dataclasses.replace(FULL, **changes))


def opened(given: Settings, check, **options) -> list[object]:
    """Run `check` on an open Backstay; what was told meanwhile."""
    heard: list[object] = []

    async def main() -> None:
        async with Backstay.open(given, listeners=[heard.append], **options) as kit:
            await check(kit)

    anyio.run(main)
    return heard


def test_without_configuration_sessions_work_and_the_key_is_said_to_be_ephemeral():
    async def check(kit: Backstay) -> None:
        pair = await kit.tokens.issue("alice", client_id="web", scopes=["read"])
        assert (await kit.tokens.authenticate(pair.access_token)).subject == "alice"
        pair = await kit.tokens.refresh(pair.refresh_token, client_id="web")
        await kit.tokens.revoke_user("alice")
        with pytest.raises(InvalidToken) as refused:
            await kit.tokens.authenticate(pair.access_token)
        assert refused.value.reason is TokenReason.REVOKED
        assert [jwk["kid"] for jwk in kit.keys.jwks()["keys"]] == [kit.keys.signing_key().kid]

    heard = opened(Settings(), check)
    assert [event.kid for event in heard if isinstance(event, EphemeralKeyMade)] == [heard[0].kid]


def test_who_uses_no_tokens_hears_of_no_keys():
    async def check(kit: Backstay) -> None:
        with pytest.raises(InvalidToken):
            await kit.tokens.authenticate("not a token")
        assert isinstance(kit.keys, EphemeralKeyRing)
        assert not kit.keys.entries

    assert not [event for event in opened(Settings(), check) if isinstance(event, EphemeralKeyMade)]


def test_two_processes_without_configuration_accept_nothing_of_each_other():
    async def check(kit: Backstay) -> None:
        async with Backstay.open(Settings()) as other:
            pair = await other.tokens.issue("alice", client_id="web")
        await kit.tokens.issue("bob", client_id="web")
        for refused in (
            kit.tokens.authenticate(pair.access_token),
            kit.tokens.refresh(pair.refresh_token, client_id="web"),
        ):
            with pytest.raises(InvalidToken) as caught:
                await refused
            assert caught.value.reason is TokenReason.UNKNOWN_KEY

    opened(Settings(), check)


def test_keys_without_a_store_keep_sessions_in_memory_and_say_so():
    async def check(kit: Backstay) -> None:
        pair = await kit.tokens.issue("alice", client_id="web")
        token = await kit.tokens.authenticate(pair.access_token)
        assert (token.kid, token.issuer, token.audience) == (
            "first",
            "https://id.example",
            ("https://api.example",),
        )

    assert SessionsInMemory() in opened(settings(), check)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (Settings(token=TokenSettings(store=AWAY)), "keys"),
        (settings(issuer=""), "issuer"),
        (settings(audience=()), "audience"),
        (settings(store=AWAY, refresh_secrets=None), "refresh_secrets"),
        (settings(redis_url=AWAY, refresh_secrets=None), "refresh_secrets"),
        (settings(store=Secret("mysql://canary@h/d")), "postgresql://"),
        (settings(access_ttl=0.0), "lifetimes"),
        (settings(grace=3600.0), "grace"),
    ],
)
def test_what_would_fail_in_production_is_refused_at_the_start(given, named):
    async def check(kit: Backstay) -> None:
        raise AssertionError("it opened")

    with pytest.raises(ConfigError, match=named) as caught:
        opened(given, check)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "secrets", ["", "nokid", "a:", "a:tooshort", "a:" + "A" * 43 + "=", "a:AAAA,a:BBBB", f"ключ:{'A' * 44}"]
)
def test_a_malformed_refresh_secret_is_refused_and_not_quoted(secrets):
    async def check(kit: Backstay) -> None:
        raise AssertionError("it opened")

    with pytest.raises(KeyRejected) as caught:
        opened(settings(refresh_secrets=Secret(secrets)), check)
    assert "tooshort" not in str(caught.value)


def test_the_first_refresh_secret_is_the_current_one_and_the_others_still_read():
    older = base64.urlsafe_b64encode(b"o" * 32).decode().rstrip("=")
    both = Secret(f"{SECRETS.reveal()},old:{older}\n")

    async def check(kit: Backstay) -> None:
        pair = await kit.tokens.issue("alice", client_id="web")
        assert pair.refresh_token.split(".")[1] == "2026-11"

    opened(settings(refresh_secrets=both), check)


def test_a_store_that_is_away_is_unavailable_and_not_ready_and_opens_all_the_same():
    async def check(kit: Backstay) -> None:
        with pytest.raises(TokenStoreUnavailable):
            await kit.tokens.issue("alice", client_id="web")
        report = await kit.health.ready()
        assert not report.ok
        assert not report.probes["tokens"].ok

    heard = opened(settings(redis_url=AWAY), check)
    assert not [event for event in heard if isinstance(event, SessionsInMemory)]


def test_a_bound_token_needs_its_proof():
    async def check(kit: Backstay) -> None:
        bound = await kit.tokens.issue("alice", client_id="web", jkt="thumb")
        bearer = await kit.tokens.issue("alice", client_id="web")
        assert bound.token_type == "DPoP"
        await kit.tokens.authenticate(bound.access_token, jkt="thumb")
        await kit.tokens.authenticate(bearer.access_token)
        for token, jkt in ((bound, None), (bound, "other"), (bearer, "thumb"), (bound, "")):
            with pytest.raises(InvalidToken) as refused:
                await kit.tokens.authenticate(token.access_token, jkt=jkt)
            assert refused.value.reason is TokenReason.BINDING
        described = await kit.tokens.introspect(bound.access_token)
        assert described.claims["cnf"] == {"jkt": "thumb"}

    opened(Settings(), check)


def test_users_say_what_their_tokens_carry():
    async def claims_of(user: str):
        return {"roles": ["admin"]} if user == "alice" else None

    async def check(kit: Backstay) -> None:
        pair = await kit.tokens.issue("alice", client_id="web")
        assert (await kit.tokens.authenticate(pair.access_token)).claims["roles"] == ["admin"]
        with pytest.raises(InvalidToken) as refused:
            await kit.tokens.issue("mallory", client_id="web")
        assert refused.value.reason is TokenReason.USER_DISABLED

    opened(Settings(), check, users=claims_of)


def test_the_environment_says_it_all(tmp_path):
    ring = tmp_path / "ring.json"
    ring.write_text(KEYS.reveal())
    given = from_env(
        environ={
            "BACKSTAY_TOKEN_KEYS_FILE": str(ring),
            "BACKSTAY_TOKEN_REFRESH_SECRETS": SECRETS.reveal(),
            "BACKSTAY_TOKEN_ISSUER": "https://id.example",
            "BACKSTAY_TOKEN_AUDIENCE": "https://api.example, https://other.example",
            "BACKSTAY_TOKEN_ACCESS_TTL": "60",
        }
    )

    async def check(kit: Backstay) -> None:
        pair = await kit.tokens.issue("alice", client_id="web")
        assert pair.expires_in == 60
        token = await kit.tokens.authenticate(pair.access_token)
        assert token.audience == ("https://api.example", "https://other.example")

    opened(given, check)
    assert "canary" not in repr(given)
    assert SECRETS.reveal() not in repr(given)


@pytest.mark.redis
def test_a_revocation_on_one_node_holds_on_another_and_both_close(redis_url):
    given = settings(redis_url=Secret(redis_url), prefix="backstay-test:container")

    async def check(kit: Backstay) -> None:
        async with Backstay.open(given) as other:
            pair = await kit.tokens.issue("alice", client_id="web")
            await other.tokens.authenticate(pair.access_token)
            pair = await other.tokens.refresh(pair.refresh_token, client_id="web")
            await kit.tokens.revoke_session(pair.session_id)

            async def until_refused() -> None:
                while True:
                    await other.tokens.authenticate(pair.access_token)
                    await anyio.sleep(0.005)

            with anyio.fail_after(5), pytest.raises(InvalidToken) as refused:
                await until_refused()
            assert refused.value.reason is TokenReason.REVOKED
        assert (await kit.health.ready()).ok

    heard = opened(given, check)
    assert not [event for event in heard if isinstance(event, RevocationsStale)]
