from __future__ import annotations

import hashlib
import math

import pytest

from backstay.errors import MalformedHash, UnknownPepper, WeakHashProfile
from backstay.passwords import (
    CODES,
    LOCALES,
    About,
    Argon2Profile,
    PasswordHasher,
    PasswordProblem,
    Rules,
    generate_passphrase,
    generate_password,
    hash_password,
    validate_password,
    verify_password,
)
from backstay.passwords.breach.ranges import rows_of
from backstay.passwords.messages import _TEXTS
from backstay.secret import Secret


@pytest.mark.asyncio
async def test_the_contract_call_unpacks_and_is_false_when_refused():
    is_valid, errors = await validate_password(password="MyP@ssw0rd", username="john_doe")
    assert is_valid is False
    assert [error.code for error in errors] == ["common"]
    assert ", ".join(errors)
    assert (await validate_password("Strong@Pass1"))[0] is True
    assert (await validate_password("weak"))[0] is False
    assert not await validate_password("weak")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_catalogue_has_every_code(locale):
    assert tuple(_TEXTS[locale]) == CODES
    assert "8" in PasswordProblem("too_short", {"minimum": 8}, locale=locale)


def test_user_data_is_found_in_l33t_and_reversed():
    about = About(username="zorblaxian", email="qwimby@example.org")
    for password in ("Z0rbl@xian#77", "naixalbroz#77", "Qwimby-2024"):
        assert "user_info" in Rules.strong().check(password, about).codes


@pytest.mark.parametrize(("mfa", "minimum"), [(True, 8), (False, 15)])
def test_nist_n1_length(mfa, minimum):
    codes = Rules.nist(mfa=mfa).check("x" * (minimum - 1)).codes
    assert "too_short" in codes
    assert "too_short" not in Rules.nist(mfa=mfa).check("x" * minimum).codes


def test_strong_keeps_random_passwords_and_stops_mangled_words():
    rules = Rules.strong()
    made = [generate_password().secret.reveal() for _ in range(100)]
    made += [generate_passphrase().secret.reveal() for _ in range(100)]
    assert all(rules.check(password) for password in made)
    weak = ["P@ssw0rd2024!", "Sommer2024!", "1qaz2wsx!QAZ", "p.a.s.s.w.o.r.d", "JohnSmith1985", "drowssap99"]
    assert not any(rules.check(password) for password in weak)


def test_no_word_of_a_passphrase_comes_twice():
    words = [f"word{number}" for number in range(1_024)]
    made = generate_passphrase(words=200, wordlist=words)
    assert len(set(made.secret.reveal().split("-"))) == 200
    assert made.bits == pytest.approx(math.log2(math.perm(1_024, 200)))


@pytest.mark.asyncio
async def test_hash_verifies_and_a_weak_profile_is_refused():
    stored = await hash_password("pässword")
    assert await verify_password("pässword", stored)
    assert not await verify_password("pässword", None)
    with pytest.raises(WeakHashProfile):
        Argon2Profile(memory_kib=8, time_cost=1)


@pytest.mark.asyncio
async def test_nfd_input_verifies_against_an_nfc_hash():
    assert await verify_password("pa\u0308ss", await hash_password("p\u00e4ss"))


@pytest.mark.asyncio
async def test_legacy_hashes_verify_wrap_and_are_replaced():
    old = "md5$salt$" + hashlib.md5(b"saltsecret").hexdigest()
    async with PasswordHasher(peppers={"a": Secret("k" * 32)}, current_pepper="a") as hasher:
        verdict = await hasher.verify("secret", old)
        assert verdict.ok
        assert verdict.new_hash is not None
        assert await hasher.verify("secret", verdict.new_hash)
        wrapped = await hasher.wrap(old)
        assert await hasher.verify("secret", wrapped)
        assert not await hasher.verify("other", wrapped)
    with pytest.raises(UnknownPepper):
        await verify_password("secret", wrapped)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$backstay$x",
        "$argon2id$v=19$m=999999999,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=8,t=4294967295,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "$2b$31$" + "a" * 53,
        "pbkdf2_sha256$2000000000$salt$AAAAAAAAAAAAAAAA",
    ],
)
async def test_malformed_hashes_and_cost_bombs_are_refused(stored):
    with pytest.raises(MalformedHash):
        await verify_password("x", stored)


def test_range_rows_drop_padding_and_malformed_answers():
    row = b"0" * 35
    assert rows_of(row + b":0\r\n" + b"A" * 35 + b":3") == b"A" * 35 + b":3"
    assert rows_of(b"") is None
    assert rows_of(b"<html>") is None
