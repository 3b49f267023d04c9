"""A thousand passwords that exist nowhere else go through every path, and are looked for wherever things are told.

Told means: logs, events, reprs, messages and tracebacks with the locals of our frames, pickles, payloads, and the
store of the throttle. A caller's own frames and arguments are the caller's.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import json
import logging
import pickle
import re
import secrets
import struct
import threading
from array import array
from functools import partial
from pathlib import Path
from typing import ClassVar

import anyio
import pytest

import backstay
from backstay.errors import BackstayError, PasswordRejected
from backstay.events import Emitter
from backstay.passwords import (
    About,
    BreachDatabase,
    DeviceTokens,
    History,
    MemoryThrottle,
    PasswordHasher,
    PwnedRanges,
    Rules,
    StandardPolicy,
    StandardThrottle,
    UrllibTransport,
    generate_passphrase,
    generate_password,
    hash_password,
    is_similar,
    validate_password,
    verify_password,
)
from backstay.passwords.breach.database import HEADER, RANGES
from backstay.secret import Secret
from backstay.telemetry.logging import LogListener

HOME = str(Path(backstay.__file__).parent)
CANARIES = 1_000
HASHED = 12
"""How many of them are hashed as well, several times each; all are in the nightly run."""


def canary():
    return f"zq{secrets.token_hex(8)}A-1"


class Witness:
    """Collects everything that was told."""

    def __init__(self):
        self.told = []

    def __call__(self, event):
        self.told.append(repr(event))
        self.told.append(pickle.dumps(dataclasses.asdict(event)).decode("latin-1"))

    def hear(self, *things):
        for thing in things:
            self.told += [repr(thing), str(thing), f"{thing}"]
            try:
                self.told.append(pickle.dumps(thing).decode("latin-1"))
            except TypeError as exc:
                self.told.append(str(exc))

    def catch(self, exc):
        """An error, those behind it, and the locals of our frames on the way."""
        seen = set()
        while exc is not None and id(exc) not in seen:
            seen.add(id(exc))
            self.told += [repr(exc), str(exc), repr(exc.args), repr(vars(exc))]
            trace = exc.__traceback__
            while trace is not None:
                if trace.tb_frame.f_code.co_filename.startswith(HOME):
                    self.told.append(f"{trace.tb_frame.f_code.co_qualname}: {trace.tb_frame.f_locals!r}")
                trace = trace.tb_next
            exc = exc.__cause__ or exc.__context__

    def leaks(self, *canaries):
        """Which of them were told, or their SHA-1, whole or without its public beginning."""
        told = "\n".join(self.told).lower()
        seen = {found[:18] for found in re.findall(r"zq[0-9a-f]{16}", told)}
        digests = {found[-35:] for found in re.findall(r"[0-9a-f]{35,}", told)}
        return [each for each in canaries if each[:18] in seen or sha1(each)[5:] in digests]


def sha1(text):
    return hashlib.sha1(text.encode()).hexdigest()


@pytest.fixture
def witness():
    found = Witness()
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: found.told.append(f"{record.getMessage()} {vars(record)!r}")
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield found
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def broken_range_server():
    """Answers with what is no list of ranges, and counts what it was asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        asked: ClassVar[list[str]] = []

        def do_GET(self):
            self.asked.append(f"{self.path} {self.headers}")
            body = b"<html>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/range/", Handler.asked
    server.shutdown()
    thread.join()
    server.server_close()


def listening(witness):
    return Emitter([witness, LogListener()])


@pytest.mark.asyncio
async def test_a_thousand_canaries_are_judged_and_none_is_told(witness):
    presets = [Rules.classic(), Rules.strong(), Rules.nist(mfa=False), Rules.asvs(2)]
    policies = [StandardPolicy(rules, emitter=listening(witness)) for rules in presets]
    canaries = [canary() for _ in range(CANARIES)]
    for number, text in enumerate(canaries):
        password = text if number % 2 else Secret(text)
        about = About(username=text[:9], email=f"{text[2:9]}@x.org", names=(text,), current=Secret(text + "1"))
        for known in (about, About()):
            verdict = await validate_password(password, about=known, policy=policies[number % 4])
            witness.hear(*verdict[1], *verdict.warnings, about)
            witness.told += [repr(verdict), json.dumps(verdict.meter("de"))]
        witness.hear(is_similar(text, text[::-1]), Secret(text))
    assert len(witness.told) > CANARIES * 10
    assert witness.leaks(*canaries) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [HASHED, pytest.param(CANARIES, marks=pytest.mark.nightly)])
async def test_canaries_are_hashed_and_verified_and_none_is_told(witness, count):
    emitter = listening(witness)
    canaries = [canary() for _ in range(count)]
    pepper = canary() * 3
    peppers = {"a": Secret(pepper)}
    async with PasswordHasher(
        peppers=peppers, current_pepper="a", emitter=emitter, max_queue=count, deadline=3600.0
    ) as hasher:

        async def one(text):
            stored = await hash_password(text, hasher=hasher)
            verdict = await verify_password(Secret(text), stored, hasher=hasher)
            wrong = await verify_password(text, await hasher.wrap("md5$s$" + "0" * 32), hasher=hasher)
            unknown = await verify_password(text, None, hasher=hasher)
            witness.hear(stored, verdict, wrong, unknown, hasher)
            for bad in ("nonsense", "$2b$31$" + "a" * 53, "$backstay$k=b" + stored.removeprefix("$backstay$k=a")):
                try:
                    await verify_password(text, bad, hasher=hasher)
                except BackstayError as exc:
                    witness.catch(exc)
                else:
                    pytest.fail("not refused")

        async with anyio.create_task_group() as group:
            for text in canaries:
                group.start_soon(one, text)
    assert witness.leaks(*canaries, pepper) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [HASHED, pytest.param(CANARIES, marks=pytest.mark.nightly)])
async def test_what_fails_on_the_way_tells_no_canary(witness, count, broken_range_server, tmp_path):
    """Busy, closed, cancelled, too long, a broken breach source, a damaged database, a broken history."""
    url, asked = broken_range_server
    canaries = [canary() for _ in range(count)]
    (tmp_path / "damaged.db").write_bytes(HEADER.pack(b"BSTBRDB1", 1, 0, 1) + b"\0" * 4 + damaged_index())
    database = BreachDatabase(tmp_path / "damaged.db")
    closed, busy = PasswordHasher(), PasswordHasher(max_queue=0, deadline=0.0)
    closed.close()
    for rules in (Rules.strong(), Rules.classic()):
        ranges = PwnedRanges(UrllibTransport(), url=url, timeout=5.0, break_after=1000, emitter=listening(witness))
        policies = [
            StandardPolicy(rules, breach=ranges, when_unknown="closed", emitter=listening(witness)),
            StandardPolicy(
                rules, breach=PwnedRanges(UrllibTransport(), url="ftp://x/"), emitter=listening(witness)
            ),
            StandardPolicy(rules, offline=database),
            StandardPolicy(rules, history=History(hasher=closed)),
        ]
        about = About(history=("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g", "nonsense"))
        calls = [
            *(partial(validate_password, about=about, policy=policy) for policy in policies),
            *(policy.must_change for policy in policies),
            partial(hash_password, hasher=closed),
            lambda password: verify_password(password, None, hasher=closed),
            lambda password: too_long(password, busy),
            cancelled,
        ]
        for text in canaries:
            await each_is_caught(witness, text, calls)
    database.close()
    busy.close()
    assert len([text for text in witness.told if "Error" in text or "BreachData" in text]) > count
    assert witness.leaks(*canaries) == []
    assert asked
    assert not [line for line in asked for text in canaries if sha1(text)[5:] in line.lower()]


def damaged_index():
    places = array("Q", [0]) + array("Q", [2**40]) * (RANGES - 1)
    return places.tobytes() + struct.pack("<Q", 1)


async def each_is_caught(witness, text, calls):
    for call in calls:
        for password in (text, Secret(text)):
            try:
                witness.hear(type(await call(password)))
            except BackstayError as exc:
                witness.catch(exc)


async def too_long(password, hasher):
    text = password.reveal() if isinstance(password, Secret) else password
    for each in (text * 300, text + "\ud800"):
        with pytest.raises(PasswordRejected):
            await hasher.hash(each)
    await hasher.hash(text * 300)


async def cancelled(password):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await hash_password(password)


@pytest.mark.asyncio
async def test_the_throttle_keeps_and_tells_neither_names_nor_tokens(witness):
    store = MemoryThrottle()
    throttle = StandardThrottle(store, devices=DeviceTokens(Secret("k" * 32)), emitter=listening(witness))
    canaries = [canary() for _ in range(200)]
    for number, text in enumerate(canaries):
        try:
            attempt = await throttle.attempt(text, f"192.0.2.{number % 7}")
            witness.hear(attempt, store, throttle)
            token = await throttle.succeeded(attempt) if number % 3 else None
            witness.hear(await throttle.attempt(text, "192.0.2.99", device=token or text))
        except BackstayError as exc:
            witness.told += [str(exc), repr(exc)]
        witness.told.append(repr(store._entries))
    assert witness.leaks(*canaries) == []


def test_what_was_generated_is_shown_to_nobody(witness):
    for _ in range(200):
        for made in (generate_password(), generate_passphrase()):
            witness.hear(made, made.secret)
            assert witness.leaks(made.secret.reveal()) == []
            witness.told.clear()


def test_the_witness_finds_what_is_told(witness):
    """Each of its ways of listening, else the zeroes above say nothing."""
    text = canary()

    def told():
        found = witness.leaks(text)
        witness.told.clear()
        return bool(found)

    logging.getLogger("somebody").debug("password %s", text)
    assert told()
    witness.hear([text])
    assert told()
    witness.hear(sha1(text).upper())
    assert told()
    try:
        try:
            Rules.strong().check(text, about=object())
        except AttributeError as exc:
            raise ValueError("wrapped") from exc
    except ValueError as exc:
        witness.catch(exc)
    assert told()
