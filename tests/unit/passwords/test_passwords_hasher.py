"""The hasher: what counts as outdated, peppers and their rotation, Unicode, and equal work for unknown users."""

from __future__ import annotations

import anyio
import pytest

from backstay.errors import ConfigError, PasswordRejected, UnknownPepper, WeakHashProfile
from backstay.passwords import OWASP, OWASP_46_MIB, Argon2Profile, PasswordHasher
from backstay.passwords.hashing import argon2
from backstay.passwords.hashing.hasher import MAX_BYTES
from backstay.secret import Secret

pytestmark = pytest.mark.asyncio
A, B = Secret("a" * 32), Secret("b" * 32)
SALT, DIGEST = "c2FsdHNhbHRzYWx0c2FsdA", "A" * 43
PASSWORD = "correct horse"


@pytest.mark.parametrize(
    ("stored", "outdated"),
    [
        (f"$argon2id$v=19$m=19456,t=2,p=1${SALT}${DIGEST}", False),
        (f"$argon2id$v=19$m=19456,t=3,p=1${SALT}${DIGEST}", True),
        (f"$argon2id$v=19$m=65536,t=3,p=4${SALT}${DIGEST}", True),
        (f"$argon2id$v=19$m=19456,t=2,p=2${SALT}${DIGEST}", True),
        (f"$argon2i$v=19$m=19456,t=2,p=1${SALT}${DIGEST}", True),
        (f"$argon2d$v=19$m=19456,t=2,p=1${SALT}${DIGEST}", True),
        (f"$argon2id$v=16$m=19456,t=2,p=1${SALT}${DIGEST}", True),
        (f"$argon2id$m=19456,t=2,p=1${SALT}${DIGEST}", True),
        (f"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${DIGEST}", True),  # a salt of 8 bytes
        (f"$argon2id$v=19$m=19456,t=2,p=1${SALT}$" + "A" * 22, True),  # a hash of 16
        (f"argon2$argon2id$v=19$m=102400,t=2,p=8${SALT}${DIGEST}", True),
        ("$2b$12$" + "a" * 53, True),
        (f"pbkdf2_sha256$600000$salt${DIGEST}=", True),
    ],
)
async def test_asvs_11_4_2_what_is_not_of_the_profile_is_outdated(stored, outdated):
    async with PasswordHasher() as hasher:
        assert hasher.needs_rehash(stored) is outdated


async def test_another_profile_outdates_all_hashes_and_a_login_replaces_them():
    async with PasswordHasher() as old, PasswordHasher(OWASP_46_MIB) as new:
        stored = await old.hash(PASSWORD)
        assert (await old.verify(PASSWORD, stored)).new_hash is None
        verdict = await new.verify(PASSWORD, stored)
        assert "m=47104,t=1" in verdict.new_hash
        unasked = await new.verify(PASSWORD, stored, rehash=False)
        assert (unasked.needs_rehash, unasked.new_hash) == (True, None)
        assert not (await new.verify("another", stored)).needs_rehash


@pytest.mark.parametrize(
    ("memory", "passes", "good"),
    [
        (47_104, 1, True), (47_103, 1, False), (19_456, 2, True), (19_455, 2, False),
        (12_288, 3, True), (12_287, 3, False), (12_288, 5, True), (0, 2, False), (19_456, 0, False),
    ],
)  # fmt: skip
async def test_asvs_11_4_2_a_profile_below_the_approved_ones_cannot_be_made(memory, passes, good):
    if good:
        assert Argon2Profile(memory_kib=memory, time_cost=passes)
    else:
        with pytest.raises(WeakHashProfile):
            Argon2Profile(memory_kib=memory, time_cost=passes)


# ---- peppers


async def test_a_pepper_is_rotated_by_logins_and_then_dropped():
    async with PasswordHasher(peppers={"2025": A}, current_pepper="2025") as before:
        stored = await before.hash(PASSWORD)
    assert stored.startswith("$backstay$k=2025$argon2id$")
    async with PasswordHasher(peppers={"2025": A, "2026": B}, current_pepper="2026") as during:
        verdict = await during.verify(PASSWORD, stored)
        assert verdict.new_hash.startswith("$backstay$k=2026$")
        assert (await during.verify(PASSWORD, verdict.new_hash)).new_hash is None
    async with PasswordHasher(peppers={"2026": B}, current_pepper="2026") as after:
        assert await after.verify(PASSWORD, verdict.new_hash)
        with pytest.raises(UnknownPepper, match="2025"):
            await after.verify(PASSWORD, stored)
        with pytest.raises(UnknownPepper):
            after.needs_rehash(stored)


async def test_a_pepper_can_be_introduced_and_given_up():
    async with PasswordHasher() as plain, PasswordHasher(peppers={"a": A}, current_pepper="a") as peppered:
        stored = await plain.hash(PASSWORD)
        with_pepper = (await peppered.verify(PASSWORD, stored)).new_hash
        assert with_pepper.startswith("$backstay$k=a$")
    async with PasswordHasher(peppers={"a": A}) as leaving:
        without = (await leaving.verify(PASSWORD, with_pepper)).new_hash
        assert without.startswith("$argon2id$")
        assert await leaving.verify(PASSWORD, without)


async def test_a_hash_without_its_pepper_or_with_another_key_is_worth_nothing():
    async with PasswordHasher(peppers={"a": A}, current_pepper="a") as hasher:
        stored = await hasher.hash(PASSWORD)
        bare = stored.removeprefix("$backstay$k=a")
        assert not await hasher.verify(PASSWORD, bare)
    async with PasswordHasher(peppers={"a": B}, current_pepper="a") as impostor:
        assert not await impostor.verify(PASSWORD, stored)


async def test_a_wrapped_legacy_hash_has_the_pepper_too():
    async with PasswordHasher(peppers={"a": A}, current_pepper="a") as hasher:
        wrapped = await hasher.wrap("md5$salt$" + "0" * 32)
        assert wrapped.startswith("$backstay$k=a,w=")
        assert not await hasher.verify(PASSWORD, wrapped)
    async with PasswordHasher() as other:
        with pytest.raises(UnknownPepper):
            await other.verify(PASSWORD, wrapped)


@pytest.mark.parametrize(
    "options",
    [
        {"peppers": {"a": Secret("x" * 31)}},
        {"peppers": {"a$": A}},
        {"peppers": {"": A}},
        {"peppers": {"a" * 33: A}},
        {"peppers": {"a": A}, "current_pepper": "b"},
        {"current_pepper": "a"},
        {"memory_budget": OWASP.memory_bytes - 1},
    ],
)
async def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(ConfigError) as refused:
        PasswordHasher(**options)
    assert "xxx" not in str(refused.value)


# ---- Unicode and length

PAIRS = [
    ("p\u00e4ssw\u00f6rd", "pa\u0308sswo\u0308rd"),
    ("\u1e69", "s\u0307\u0323"),
    ("\uac00", "\u1100\u1161"),
    ("\u212b", "A\u030a"),
    ("\u03d3", "\u03d2\u0301"),
    ("\u2126", "\u03a9"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
async def test_asvs_6_2_8_canonically_equal_texts_are_one_password(one, other):
    """However the keyboard writes them. Compatibility forms and case stay apart: nothing else is changed."""
    async with PasswordHasher() as hasher:
        for first, second in ((one, other), (other, one)):
            verdict = await hasher.verify(second, await hasher.hash(first))
            assert verdict.ok
            assert verdict.new_hash is None


@pytest.mark.parametrize(
    ("password", "almost"),
    [
        ("x" * 72 + "a", "x" * 72 + "b"),
        ("x" * 1023 + "a", "x" * 1023 + "b"),
        (PASSWORD, PASSWORD.upper()),
        (PASSWORD, PASSWORD + " "),
        ("before\0after", "before\0other"),
        ("\ufb01sh", "fish"),
        ("", " "),
    ],
)
async def test_asvs_6_2_8_nothing_is_cut_folded_or_trimmed(password, almost):
    async with PasswordHasher() as hasher:
        stored = await hasher.hash(password)
        assert await hasher.verify(password, stored)
        assert not await hasher.verify(almost, stored)


async def test_asvs_6_2_8_a_password_beyond_bcrypts_72_bytes_gets_a_hash_of_all_of_it():
    bcrypt = pytest.importorskip("bcrypt")
    stored = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    async with PasswordHasher() as hasher:
        verdict = await hasher.verify("x" * 72 + "tail", stored)
        assert await hasher.verify("x" * 72 + "tail", verdict.new_hash)
        assert not await hasher.verify("x" * 72 + "liat", verdict.new_hash)


@pytest.mark.parametrize("password", ["x" * (MAX_BYTES + 1), "é" * MAX_BYTES, "\ud800", "x" * 10_000_000])
async def test_what_cannot_be_hashed_is_refused_and_never_cut(password):
    async with PasswordHasher() as hasher:
        with pytest.raises(PasswordRejected):
            await hasher.hash(password)
        assert not await hasher.verify(password, await hasher.hash(PASSWORD))
        assert not await hasher.verify(password, None)


# ---- unknown users


@pytest.fixture
def work(monkeypatch):
    """Every argon2 computation with its costs, as it is really done."""
    done = []

    def made(secret, salt, profile, make=argon2.make):
        done.append((profile.memory_kib, profile.time_cost, profile.lanes, profile.hash_bytes, len(secret)))
        return make(secret, salt, profile)

    def compared(secret, encoded, kind, matches=argon2.matches):
        costs = dict(part.split("=") for part in encoded.split("$")[3].split(","))
        done.append((int(costs["m"]), int(costs["t"]), int(costs["p"]), 32, len(secret)))
        return matches(secret, encoded, kind)

    monkeypatch.setattr(argon2, "make", made)
    monkeypatch.setattr(argon2, "matches", compared)
    return done


@pytest.mark.parametrize("profile", [OWASP, OWASP_46_MIB], ids=["owasp", "46 MiB"])
@pytest.mark.parametrize("peppers", [{}, {"a": A}], ids=["plain", "peppered"])
@pytest.mark.parametrize("typed", ["wrong", "", "w\u0072ong\u0308"], ids=["usual", "empty", "nfd"])
async def test_asvs_6_3_8_an_unknown_user_costs_the_work_of_a_wrong_password(work, profile, peppers, typed):
    """The same number of hashes at the same costs over secrets of the same length: nothing is left to time."""
    async with PasswordHasher(profile, peppers=peppers, current_pepper=next(iter(peppers), None)) as hasher:
        stored = await hasher.hash(PASSWORD)
        work.clear()
        assert not await hasher.verify(typed, stored)
        known, work[:] = list(work), []
        assert not await hasher.verify(typed, None)
        assert work == known != []


async def test_asvs_6_3_8_a_wrong_password_for_a_fast_legacy_hash_costs_a_hash_too(work):
    async with PasswordHasher() as hasher:
        await hasher.verify("wrong", None)
        unknown, work[:] = list(work), []
        await hasher.verify("wrong", "md5$salt$" + "0" * 32)
        assert work == unknown


async def test_the_comparison_of_digests_takes_constant_time(monkeypatch):
    """Every reader ends in `hmac.compare_digest`, or in argon2's own comparison."""
    import hmac

    compared = []
    original = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(len(a)) or original(a, b))
    async with PasswordHasher() as hasher:
        for stored in (
            "md5$salt$" + "0" * 32,
            f"pbkdf2_sha256$1000$salt${DIGEST}=",
            "scrypt:16:8:1$salt$" + "0" * 128,
            f"$6$rounds=1000$salt${'a' * 86}",
            "$2b$04$LKax5MMMFuTFCQFyw1D2Be4GwUgQJy5mJmYmBvH/LMRF/tpODqHEi",
        ):
            before = len(compared)
            assert not await hasher.verify("wrong", stored)
            assert len(compared) == before + 1


async def test_many_at_once_get_hashes_of_their_own():
    made = []
    async with PasswordHasher() as hasher, anyio.create_task_group() as group:

        async def one():
            made.append(await hasher.hash(PASSWORD))

        for _ in range(8):
            group.start_soon(one)
    assert len(set(made)) == 8
