"""The commands, on files of their own."""

from __future__ import annotations

import json
import stat

import anyio
import pytest
from click.testing import CliRunner

from backstay.cli.token import token
from backstay.errors import ConfigError, InvalidToken, KeyRejected
from backstay.tokens import JwtCodec, KeyRing, LocalRevocations, RefreshSecrets, TokenProfile, TokenService
from backstay.tokens.jose import generate_key
from backstay.tokens.keyfile import load_ring, read_ring, ring_from_env
from backstay.tokens.opening import open_store
from backstay.tokens.refresh import new_identifier

KEY = generate_key("HS256", kid="k")
FOR = ["--issuer", "https://issuer.example", "--audience", "api"]


def run(*args: str, code: int = 0, stdin: str = "") -> str:
    result = CliRunner().invoke(token, args, input=stdin)
    assert result.exit_code == code, result.output
    return result.output


def test_from_a_new_ring_to_an_inspected_token(tmp_path) -> None:
    path = tmp_path / "ring.json"
    keys = ["--keys", str(path)]
    kid = run("keygen", *keys).split()[0]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    private = json.loads(path.read_text())["keys"][0]["d"]
    assert "exists" in run("keygen", *keys, code=1)
    text = run("issue", *keys, *FOR, "--subject", "alice", "--scope", "read").strip()
    answer = json.loads(run("inspect", *keys, *FOR, stdin=text + "\n"))
    assert (answer["accepted"], answer["kid"], answer["claims"]["sub"]) == (True, kid, "alice")
    refused = run("inspect", *keys, *FOR, stdin=text[:-4], code=1)
    assert json.loads(refused)["accepted"] is False
    assert text[:20] not in refused
    rotated = run("rotate", *keys)
    assert [line.split()[2] for line in rotated.splitlines()] == ["active", "pending"]
    published = run("jwks", *keys)
    assert len(json.loads(published)["keys"]) == 2
    assert private not in rotated + published
    assert json.loads(run("inspect", *keys, *FOR, stdin=text))["accepted"] is True
    assert read_ring(path).entries[0].key.kid == kid


def check_sessions(url: str, prefix: str = "backstay-test:cli") -> None:
    """List and end sessions that a service opened, and deny one of its tokens, all from the shell."""
    at = ["--store", url, "--prefix", prefix]
    user = f"user-{new_identifier()}"

    async def opened() -> list[tuple[str, str, str]]:
        async with open_store(url, prefix=prefix) as store:
            service = service_on(store)
            pairs = [await service.issue(user, client_id="web", device=name) for name in ("a", "b", "c")]
            ids = [(await service.authenticate(pair.access_token)).token_id for pair in pairs]
            return [(pair.session_id, pair.access_token, jti) for pair, jti in zip(pairs, ids, strict=True)]

    async def refused(token: str) -> bool:
        async with open_store(url, prefix=prefix) as store:
            try:
                await service_on(store).authenticate(token)
            except InvalidToken:
                return True
            return False

    (first, _, _), (second, access, jti), (third, _, _) = anyio.run(opened)
    rows = [json.loads(line) for line in run("sessions", *at, user).splitlines()]
    assert {row["session"] for row in rows} == {first, second, third}
    assert {row["device"] for row in rows} == {"a", "b", "c"}
    assert run("revoke", *at, "--session", first) == "1 sessions ended\n"
    assert run("revoke", *at, "--session", first) == "0 sessions ended\n"
    assert not anyio.run(refused, access)
    assert run("revoke", *at, "--token-id", jti) == "1 token denied\n"
    assert anyio.run(refused, access)
    assert run("revoke", *at, "--user", user, "--keep", third) == "1 sessions ended\n"
    assert [json.loads(line)["session"] for line in run("sessions", *at, user).splitlines()] == [third]
    assert run("revoke", *at, "--user", user) == "1 sessions ended\n"
    assert run("sessions", *at, user) == ""


def service_on(store) -> TokenService:
    return TokenService(
        codec=JwtCodec(KeyRing([KEY])),
        profile=TokenProfile.access(issuer="https://issuer.example", audience="api"),
        store=store,
        log=store,
        secrets=RefreshSecrets({"a": b"a" * 32}, current="a"),
        revocations=LocalRevocations(store),
    )


@pytest.mark.redis
def test_sessions_on_redis(redis_url) -> None:
    check_sessions(redis_url)


@pytest.mark.postgres
def test_sessions_on_postgres(database_url) -> None:
    check_sessions(database_url)


def test_a_store_that_is_away_or_of_no_kind_is_said_without_its_address() -> None:
    for url in ("redis://user:canary@127.0.0.1:1/0", "postgresql://user:canary@127.0.0.1:1/x", "mysql://canary"):
        said = run("sessions", "--store", url, "alice", code=1)
        assert said.startswith("Error: ")
        assert "canary" not in said
        assert "Traceback" not in said


def test_revoke_wants_to_know_what() -> None:
    for options in ([], ["--user", "a", "--session", "b"]):
        assert "give one of" in run("revoke", "--store", "redis://h", *options, code=2)


def test_a_ring_is_read_from_the_environment_or_a_file_but_not_both(tmp_path) -> None:
    path = tmp_path / "ring.json"
    run("keygen", "--keys", str(path))
    assert len(ring_from_env("RING", environ={"RING_FILE": str(path)}).entries) == 1
    assert len(ring_from_env("RING", environ={"RING": path.read_text()}).entries) == 1
    for environ in ({}, {"RING": "x", "RING_FILE": "y"}, {"RING_FILE": str(tmp_path / "absent")}):
        with pytest.raises(ConfigError):
            ring_from_env("RING", environ=environ)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys":1}', '{"keys":[1]}', '{"keys":[{"kty":"oct"}]}'])
def test_what_is_no_ring_is_refused(text: str) -> None:
    with pytest.raises(KeyRejected):
        load_ring(text)
