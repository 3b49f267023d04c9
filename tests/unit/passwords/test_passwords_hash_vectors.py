"""What other libraries stored, verified by us; and what nobody could have stored, refused."""

from __future__ import annotations

import json
import unicodedata
from itertools import groupby
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.errors import BackstayError, MalformedHash
from backstay.passwords import CostCaps, PasswordHasher
from backstay.passwords.events import HashComputed
from backstay.passwords.hashing.envelope import open_envelope
from backstay.passwords.hashing.formats import Argon2Hash, BcryptHash, read
from backstay.passwords.hashing.verify import matches, memory_of

VECTORS = json.loads(Path(__file__).with_name("hash_vectors.json").read_text("utf-8"))
BY_SCHEME = {
    f"{source} {scheme}": list(rows)
    for (source, scheme), rows in groupby(
        sorted(VECTORS, key=lambda row: (row["source"], row["scheme"])),
        key=lambda row: (row["source"], row["scheme"]),
    )
}
CAPS = CostCaps()
# What a mutated vector may cost here, so that a thousand of them are tried in seconds.
LOW = CostCaps(
    memory_bytes=9 << 20, argon2_passes=2, argon2_work_kib=9216, bcrypt_cost=4, pbkdf2_iterations=20_000,
    scrypt_work_bytes=8 << 20, sha_crypt_rounds=5_000,
)  # fmt: skip


def test_there_are_vectors_of_every_source():
    assert len(VECTORS) >= 184
    assert {row["source"].split()[0] for row in VECTORS} == {
        "django", "passlib", "werkzeug", "bcrypt", "argon2-cffi", "pwdlib",
    }  # fmt: skip


@pytest.mark.parametrize("scheme", BY_SCHEME)
def test_every_password_verifies_and_another_does_not(scheme):
    rows = BY_SCHEME[scheme]
    for row, other in zip(rows, rows[1:] + rows[:1], strict=True):
        parsed = read(row["stored"], CAPS)
        assert matches(row["password"].encode(), parsed), row
        assert not matches(other["password"].encode(), parsed), row
        assert not matches(row["password"].upper().encode(), parsed) or not row["password"].islower()


@pytest.mark.parametrize("scheme", BY_SCHEME)
def test_a_login_replaces_the_hash_by_one_of_the_profile(scheme):
    async def check():
        row = BY_SCHEME[scheme][1]
        async with PasswordHasher() as hasher:
            assert hasher.needs_rehash(row["stored"])
            verdict = await hasher.verify(row["password"], row["stored"])
            assert verdict.ok
            assert verdict.needs_rehash
            assert not hasher.needs_rehash(verdict.new_hash)
            assert await hasher.verify(row["password"], verdict.new_hash)
            assert not await hasher.verify("another", row["stored"])

    anyio.run(check)


# One of each kind of hash; that they all compare bytes is tested above.
KINDS = ("pbkdf2_sha256", "django 5.2.19 argon2", "bcrypt_sha256", "werkzeug", "pwdlib", "sha512_crypt", "md5")
NORMALISED = [next(name for name in BY_SCHEME if kind in name) for kind in KINDS]


def test_what_was_hashed_without_normalising_verifies_as_typed_and_in_nfc_from_then_on():
    async def check():
        async with PasswordHasher() as hasher:
            for scheme in NORMALISED:
                rows = BY_SCHEME[scheme]
                row = next(row for row in rows if not unicodedata.is_normalized("NFC", row["password"]))
                normal = unicodedata.normalize("NFC", row["password"])
                verdict = await hasher.verify(row["password"], row["stored"])
                assert verdict.ok, scheme
                assert await hasher.verify(normal, verdict.new_hash)
                assert await hasher.verify(row["password"], verdict.new_hash)

    anyio.run(check)


WRAPPABLE = [name for name, rows in BY_SCHEME.items()
             if not isinstance(read(rows[0]["stored"], CAPS), Argon2Hash | BcryptHash)]  # fmt: skip


@pytest.mark.parametrize("scheme", WRAPPABLE)
def test_a_legacy_hash_is_wrapped_without_its_password_and_unwrapped_by_a_login(scheme):
    async def check():
        row = BY_SCHEME[scheme][0]
        async with PasswordHasher() as hasher:
            wrapped = await hasher.wrap(row["stored"])
            assert row["stored"].rpartition("$")[2] not in wrapped
            assert hasher.needs_rehash(wrapped)
            assert not await hasher.verify("another", wrapped)
            verdict = await hasher.verify(row["password"], wrapped)
            assert verdict.ok
            assert "$backstay$" not in verdict.new_hash
            assert await hasher.verify(row["password"], verdict.new_hash)
            with pytest.raises(MalformedHash, match="only once"):
                await hasher.wrap(wrapped)

    anyio.run(check)


def test_wrapping_in_bulk_is_bounded_by_the_queue_of_whoever_does_it():
    async def check():
        rows = [row for name in WRAPPABLE for row in BY_SCHEME[name]][::6]
        wrapped = {}
        async with PasswordHasher(max_queue=len(rows)) as hasher:

            async def wrap(at, row):
                wrapped[at] = await hasher.wrap(row["stored"])

            async with anyio.create_task_group() as group:
                for at, row in enumerate(rows):
                    group.start_soon(wrap, at, row)
            for at in (0, len(rows) // 2, len(rows) - 1):
                assert await hasher.verify(rows[at]["password"], wrapped[at])

    anyio.run(check)


@pytest.mark.parametrize("scheme", [name for name in BY_SCHEME if name not in WRAPPABLE])
def test_what_cannot_be_wrapped_says_so(scheme):
    async def check():
        async with PasswordHasher() as hasher:
            with pytest.raises(MalformedHash, match="can be wrapped"):
                await hasher.wrap(BY_SCHEME[scheme][0]["stored"])

    anyio.run(check)


SALT, DIGEST = "c2FsdHNhbHRzYWx0c2FsdA", "A" * 43
B53 = "a" * 53
BOMBS = [
    f"$argon2id$v=19$m=8,t=4294967295,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=4294967295,t=1,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=262144,t=32,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=65536,t=1,p=16777215${SALT}${DIGEST}",
    f"$argon2i$v=19$m=65536,t={'9' * 300},p=1${SALT}${DIGEST}",
    f"argon2$argon2d$v=19$m=65536,t=1000000,p=8${SALT}${DIGEST}",
    f"$2b$31${B53}",
    f"$2y$16${B53}",
    f"bcrypt_sha256$$2b$31${B53}",
    f"bcrypt$$2b$20${B53}",
    f"$bcrypt-sha256$v=2,t=2b,r=31${'a' * 22}${'a' * 31}",
    f"$bcrypt-sha256$2b,31${'a' * 22}${'a' * 31}",
    f"pbkdf2_sha256$2000000000$salt${DIGEST}=",
    "pbkdf2_sha512$5000001$salt$" + "A" * 86 + "==",
    "$pbkdf2-sha256$4000000000$c2FsdA$" + DIGEST,
    "pbkdf2:sha256:2000000000$salt$" + "a" * 64,
    "pbkdf2:sha256:1000$salt$" + "a" * 900,
    "$scrypt$ln=30,r=8,p=1$c2FsdA$" + DIGEST,
    "$scrypt$ln=17,r=64,p=16$c2FsdA$" + DIGEST,
    "$scrypt$ln=99999,r=8,p=1$c2FsdA$" + DIGEST,
    "scrypt$1073741824$salt$8$1$" + "A" * 86 + "==",
    "scrypt:32768:8:100000$salt$" + "a" * 128,
    f"$6$rounds=999999999$salt${'a' * 86}",
    f"$5$rounds=1000001$salt${'a' * 43}",
    f"$backstay$w=cGJrZGYyX3NoYTI1NiQyMDAwMDAwMDAwJHNhbHQkQUFB$argon2id$v=19$m=4294967295,t=1,p=1${SALT}${DIGEST}",
]


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_cost_bomb_is_refused_before_any_work(bomb):
    async def check():
        heard = []
        async with PasswordHasher(emitter=heard.append) as hasher:
            for ask in (hasher.verify("x", bomb), hasher.wrap(bomb)):
                with pytest.raises(MalformedHash) as refused:
                    await ask
                assert bomb not in str(refused.value)
            with pytest.raises(MalformedHash):
                hasher.needs_rehash(bomb)
        assert not [event for event in heard if isinstance(event, HashComputed)]

    anyio.run(check)


def test_a_bomb_inside_of_a_wrapping_is_refused_too():
    async def check():
        async with PasswordHasher() as hasher:
            wrapped = await hasher.wrap("pbkdf2_sha256$1000$salt$" + DIGEST + "=")
            inner = open_envelope(wrapped)
            bomb = str(type(inner)(inner=inner.inner, legacy=inner.legacy.replace("$1000$", "$2000000000$")))
            with pytest.raises(MalformedHash, match="PBKDF2 iterations"):
                await hasher.verify("x", bomb)

    anyio.run(check)


def tried(text):
    """Read and verify a text as a stored hash; only errors of ours may come of it."""
    try:
        envelope = open_envelope(text)
        parsed = read(envelope.inner, LOW)
        assert memory_of(parsed) <= LOW.memory_bytes
        matches(b"x", parsed)
        if envelope.legacy is not None:
            matches(b"x", read(envelope.legacy, LOW))
    except BackstayError as exc:
        message = str(exc)
    else:
        message = ""
    assert len(text) < 12 or text not in message


@given(st.text(max_size=300))
def test_no_text_raises_what_is_not_ours(text):
    tried(text)


PREFIXES = [
    "$argon2id$",
    "$2b$",
    "$2b$04$",
    "pbkdf2_sha256$",
    "pbkdf2:sha256:1$",
    "$pbkdf2-sha256$",
    "$scrypt$ln=1,r=1,p=1$",
    "scrypt$2$",
    "scrypt:2:",
    "$6$",
    "md5$",
    "$backstay$",
    "$backstay$k=a",
    "bcrypt_sha256$$2b$04$",
    "$bcrypt-sha256$2b,4$",
]
TOKENS = [
    "$",
    "=",
    ",",
    ":",
    "m=8",
    "t=1",
    "p=1",
    "0",
    "1",
    "-1",
    "A",
    "AAAA",
    "aaaaaaaaaaaaaaaaaaaaaa",
    "é",
    "\x00",
    "/",
    "+",
    ".",
]
PIECES = st.lists(st.sampled_from(TOKENS), max_size=20).map("".join)


@given(st.sampled_from(PREFIXES), PIECES)
def test_nothing_that_begins_like_a_hash_raises_what_is_not_ours(prefix, rest):
    tried(prefix + rest)


@given(st.sampled_from(VECTORS), st.data())
def test_no_damaged_vector_raises_what_is_not_ours(row, data):
    stored = row["stored"]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(stored)))
        cut = data.draw(st.integers(0, 3))
        stored = (
            stored[:at] + data.draw(st.text(alphabet="$=,:0123456789aA/+.\0é", max_size=3)) + stored[at + cut :]
        )
    tried(stored)
