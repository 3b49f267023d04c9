"""The commands, on files of their own."""

from __future__ import annotations

import json
import stat

import pytest
from click.testing import CliRunner

from backstay.cli.token import token
from backstay.errors import ConfigError, KeyRejected
from backstay.tokens.keyfile import load_ring, read_ring, ring_from_env

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


@pytest.mark.redis
def test_sessions_are_listed_and_ended(redis_url) -> None:
    assert run("sessions", "--store", redis_url, "nobody-of-that-name") == ""
    assert run("revoke", "--store", redis_url, "--session", "none") == "0 sessions ended\n"
    assert "either" in run("revoke", "--store", redis_url, code=2)
    assert "redis://" in run("sessions", "--store", "mysql://x", "u", code=1)


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
