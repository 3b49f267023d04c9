"""Hashing and verifying beside the event loop, with one verifier for everything that was ever stored."""

from __future__ import annotations

import base64
import hmac
import secrets
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Self, TypeVar

from backstay.ambient import Ambient
from backstay.errors import ConfigError, MalformedHash, PasswordRejected, UnknownPepper
from backstay.events import Emitter
from backstay.passwords.events import HashComputed, HashingRefused, PasswordVerified
from backstay.secret import Secret

from .envelope import Envelope, checked_key_id, open_envelope
from .formats import Argon2Hash, BcryptHash, Stored, read
from .pool import HashingPool
from .profile import OWASP, Argon2Profile, CostCaps
from .verify import derive, is_quick, matches, memory_of

T = TypeVar("T")

MAX_BYTES: Final = 4_096
"""UTF-8 bytes that a password may have. A longer one is refused, never cut."""

_DUMMY_SALT = b"no such user ..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether a password was right, and what to store from now on. False when it was wrong."""

    ok: bool
    needs_rehash: bool = False
    new_hash: str | None = field(default=None, repr=False)
    """Made of this very password at the current profile: store it. None when the stored one is fine."""

    def __bool__(self) -> bool:
        return self.ok


_WRONG = Verification(ok=False)


class PasswordHasher:
    """argon2id with a bounded thread pool of its own; one per process is enough.

    Passwords are hashed in Unicode NFC (RFC 8265); a hash that another system made of the text as typed is
    found
    too. Wrong passwords, unknown users and unusable hashes cost one hash of the current profile each. A
    legacy
    hash that costs more than the profile still shows by its time; wrap or replace such hashes.

    Not promised: that memory once holding a password is wiped; CPython cannot do that.
    """

    def __init__(
        self,
        profile: Argon2Profile = OWASP,
        *,
        memory_budget: int = 256 * 1024 * 1024,
        workers: int | None = None,
        max_queue: int = 256,
        deadline: float = 10.0,
        peppers: Mapping[str, Secret] | None = None,
        current_pepper: str | None = None,
        caps: CostCaps | None = None,
        emitter: Emitter | None = None,
    ) -> None:
        """A hasher with its own threads, which start on first use.

        Args:
            profile: the cost of new hashes.
            memory_budget: bytes that all running hashes may use together.
            workers: threads; by default as many as cores.
            max_queue: callers that may wait; one more gets HasherBusy.
            deadline: seconds that a caller waits for a thread before it gets HasherBusy.
            peppers: keys by id, at least 32 characters each, kept apart from the database.
            current_pepper: the id of the key for new hashes; the others stay good for verifying.
            caps: what a stored hash may demand at most.
            emitter: told how long hashes took and which were refused.

        Raises:
            ConfigError: a pepper that is too short, ill-named or missing, or a budget below one hash.
        """
        if memory_budget < profile.memory_bytes:
            raise ConfigError("the memory budget of the hasher is below what one hash of its profile needs")
        self.profile = profile
        self._peppers = _checked(peppers or {}, current_pepper)
        self._current = current_pepper
        self._caps = caps if caps is not None else CostCaps()
        self._emit = emitter if emitter is not None else Emitter()
        fitting = memory_budget // profile.memory_bytes
        self._pool = HashingPool(
            memory_budget=memory_budget, workers=workers, max_queue=max_queue, deadline=deadline
        )
        self._pool.workers = min(self._pool.workers, fitting)

    async def __aenter__(self) -> Self:
        """Nothing to open; closes when the block ends."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Take no more work; hashes that run are finished."""
        self._pool.close()

    async def hash(self, password: str | Secret) -> str:
        """A string to store: argon2id in PHC form, with the id of the pepper before it where there is one.

        Raises:
            PasswordRejected: longer than 4,096 bytes, or not valid Unicode. Validate first.
            HasherBusy: too much to do; answer 503.
        """
        secret = _hidden(password)
        if _encoded(secret) is None:
            raise PasswordRejected(
                f"a password has at most {MAX_BYTES} bytes of valid UTF-8; this one cannot be hashed"
            )
        return await self._run(partial(self._hash, secret), self.profile.memory_bytes)

    async def verify(self, password: str | Secret, stored: str | None, *, rehash: bool = True) -> Verification:
        """Whether the password belongs to the stored hash. None, for an unknown user, takes as long.

        Args:
            password: as typed.
            stored: what the database has: a hash of ours, PHC, Django, passlib, werkzeug, bcrypt, or SHA-crypt.
            rehash: also make the new hash when the stored one is not of the current profile.

        Raises:
            MalformedHash: no known format, damaged, or beyond the caps.
            UnknownPepper: made with a pepper that is not configured.
            MissingExtraError: a bcrypt hash, and no bcrypt package.
            HasherBusy: too much to do; answer 503.
        """
        secret = _hidden(password)
        if _encoded(secret) is None:
            return _WRONG
        if stored is None:
            await self._run(partial(self._pretend, secret), self.profile.memory_bytes)
            return _WRONG
        envelope, parsed = self._open(stored)
        work = partial(self._verify, secret, envelope, parsed, rehash=rehash)
        verdict = await self._run(work, max(memory_of(parsed), self.profile.memory_bytes))
        self._emit(PasswordVerified(ok=verdict.ok, scheme=_scheme(parsed), rehashed=verdict.new_hash is not None))
        return verdict

    def needs_rehash(self, stored: str) -> bool:
        """Whether a login should replace this hash. Reads only; raises as `verify` does."""
        envelope, parsed = self._open(stored)
        return self._is_outdated(envelope, parsed)

    async def wrap(self, stored: str) -> str:
        """Wrap a legacy hash in argon2id without its password: for all rows at once, before anybody logs in.

        Only PBKDF2, scrypt, SHA-crypt and plain digests can be wrapped. The wrapped hash is verified like any other
        and is
        replaced at the next login.

        Raises:
            MalformedHash: nothing that can be wrapped.
            HasherBusy: too much to do; wrap slower.
        """
        envelope, parsed = self._open(stored)
        if envelope.legacy is not None or isinstance(parsed, (Argon2Hash, BcryptHash)):
            raise MalformedHash(
                "only PBKDF2, scrypt, SHA-crypt and plain digest hashes can be wrapped, and only once"
            )
        template = _blank(stored)
        digest = parsed.expected
        return await self._run(partial(self._wrap, digest, template), self.profile.memory_bytes)

    async def calibrate(self, profile: Argon2Profile | None = None) -> float:
        """Seconds that one hash takes on this machine, now: the least of five."""
        chosen = profile if profile is not None else self.profile
        return await self._run(partial(_timed, chosen), chosen.memory_bytes)

    async def _run(self, work: Callable[[], T], memory: int) -> T:
        began = time.perf_counter()
        try:
            result = await self._pool.run(partial(_frameless, work), memory=memory)
        except TimeoutError as exc:
            self._emit(HashingRefused(waiting=self._pool.waiting, reason=str(exc)))
            raise
        self._emit(HashComputed(seconds=time.perf_counter() - began, waiting=self._pool.waiting))
        return result

    def _hash(self, secret: Secret) -> str:
        return self._make(_candidates(secret)[0])

    def _make(self, data: bytes, legacy: str | None = None) -> str:
        from . import argon2

        inner = argon2.make(
            self._peppered(data, self._current), secrets.token_bytes(self.profile.salt_bytes), self.profile
        )
        return str(Envelope(inner=inner, key_id=self._current, legacy=legacy))

    def _wrap(self, digest: bytes, template: str) -> str:
        return self._make(digest.hex().encode(), template)

    def _pretend(self, secret: Secret) -> None:
        from . import argon2

        for data in _candidates(secret):
            argon2.make(self._peppered(data, self._current), _DUMMY_SALT, self.profile)

    def _verify(self, secret: Secret, envelope: Envelope, parsed: Stored, *, rehash: bool) -> Verification:
        for at, data in enumerate(_candidates(secret)):
            if self._belongs(data, envelope, parsed):
                outdated = at > 0 or self._is_outdated(envelope, parsed)
                new = self._hash(secret) if outdated and rehash else None
                return Verification(ok=True, needs_rehash=outdated, new_hash=new)
        if is_quick(parsed) and envelope.legacy is None:
            self._pretend(secret)  # else a wrong password for a fast legacy hash is told by its speed
        return _WRONG

    def _belongs(self, data: bytes, envelope: Envelope, parsed: Stored) -> bool:
        if envelope.legacy is not None:
            legacy = read(envelope.legacy, self._caps)
            if isinstance(legacy, (Argon2Hash, BcryptHash)):
                raise MalformedHash("a wrapped hash holds a scheme that cannot be wrapped")
            data = derive(data, legacy).hex().encode()
        return matches(self._peppered(data, envelope.key_id), parsed)

    def _peppered(self, data: bytes, key_id: str | None) -> bytes:
        if key_id is None:
            return data
        # Base64: other argon2 libraries take the secret for text, and NUL would end it.
        return base64.b64encode(hmac.digest(self._peppers[key_id].reveal().encode(), data, "sha256"))

    def _open(self, stored: str) -> tuple[Envelope, Stored]:
        envelope = open_envelope(stored)
        if envelope.key_id is not None and envelope.key_id not in self._peppers:
            raise UnknownPepper(f"a stored hash names the pepper {envelope.key_id!r}: configure that key")
        return envelope, read(envelope.inner, self._caps)

    def _is_outdated(self, envelope: Envelope, parsed: Stored) -> bool:
        ours = self.profile
        return (
            not isinstance(parsed, Argon2Hash)
            or envelope.legacy is not None
            or envelope.key_id != self._current
            or parsed.kind != "argon2id"
            or "$v=19$" not in parsed.encoded
            or (parsed.memory_kib, parsed.time_cost, parsed.lanes) != (ours.memory_kib, ours.time_cost, ours.lanes)
            or parsed.salt_bytes < ours.salt_bytes
            or parsed.hash_bytes < ours.hash_bytes
        )


def _checked(peppers: Mapping[str, Secret], current: str | None) -> dict[str, Secret]:
    for key_id, key in peppers.items():
        if len(key.reveal()) < 32:
            raise ConfigError(f"the pepper {checked_key_id(key_id)!r} has fewer than 32 characters")
    if current is not None and current not in peppers:
        raise ConfigError(f"the current pepper {checked_key_id(current)!r} is not among the peppers")
    return {checked_key_id(key_id): key for key_id, key in peppers.items()}


def _hidden(password: str | Secret) -> Secret:
    return password if isinstance(password, Secret) else Secret(password)


def _encoded(secret: Secret) -> bytes | None:
    """The bytes of the text as it is, or None where there are too many or none can be made."""
    text = secret.reveal()
    if len(text) > MAX_BYTES:
        return None
    try:
        data = unicodedata.normalize("NFC", text).encode()
    except UnicodeEncodeError:
        return None
    return data if len(data) <= MAX_BYTES else None


def _candidates(secret: Secret) -> list[bytes]:
    """NFC first; then the text as typed, for a hash that was made without normalising."""
    text = secret.reveal()
    normal = unicodedata.normalize("NFC", text)
    return [normal.encode()] if normal == text else [normal.encode(), text.encode()]


def _blank(stored: str) -> str:
    """The stored hash with zeros for its digest: what is left says how to compute it, and not what it was."""
    head, _, digest = stored.rpartition("$")
    padding = "=" * (len(digest) - len(digest.rstrip("=")))
    is_hex = set(digest) <= set("0123456789abcdef")
    return f"{head}${('0' if is_hex else 'A') * len(digest.rstrip('='))}{padding}"


def _frameless(work: Callable[[], T]) -> T:
    """Run it; an exception leaves without the frames that hold the password."""
    try:
        return work()
    except Exception as exc:  # whatever it is, it leaves as it came, only without frames
        link: BaseException | None = exc
        while link is not None:
            link.__traceback__ = None
            link = link.__cause__ or link.__context__
        raise


def _scheme(parsed: Stored) -> str:
    return type(parsed).__name__.removesuffix("Hash").lower()


def _timed(profile: Argon2Profile) -> float:
    from . import argon2

    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        argon2.make(b"calibration", _DUMMY_SALT, profile)
        best = min(best, time.perf_counter() - began)
    return best


_process_wide: list[PasswordHasher] = []


def _default() -> PasswordHasher:
    if not _process_wide:
        _process_wide.append(PasswordHasher())
    return _process_wide[0]


ambient_hasher: Final = Ambient[PasswordHasher]("password hasher", default=_default)
"""The hasher that module-level calls use; the container enters its own."""


async def hash_password(password: str | Secret, *, hasher: PasswordHasher | None = None) -> str:
    """Hash with argon2id, beside the event loop; see `PasswordHasher.hash` for what it raises."""
    return await (hasher if hasher is not None else ambient_hasher.get()).hash(password)


async def verify_password(
    password: str | Secret, stored: str | None, *, hasher: PasswordHasher | None = None
) -> Verification:
    """Verify a password, and get the new hash to store where the old one is outdated.

    See `PasswordHasher.verify`.
    """
    return await (hasher if hasher is not None else ambient_hasher.get()).verify(password, stored)
