from __future__ import annotations

import hashlib
import http.server
import threading

import anyio
import pytest

from backstay.clock import ManualClock
from backstay.errors import BreachDataError
from backstay.passwords import BreachDatabase, PwnedRanges, Rules, StandardPolicy, UrllibTransport
from backstay.passwords.breach import build
from backstay.passwords.protocol import About
from backstay.secret import Secret


def _sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest().upper()


class _Ranges(http.server.BaseHTTPRequestHandler):
    """Answers in the recorded shape: CRLF rows, padding with count 0."""

    requests = 0
    status = 200

    def do_GET(self):
        type(self).requests += 1
        digest = _sha1("correct horse 77 staple")
        rows = ["A" * 35 + ":0"]
        if self.path.endswith(digest[:5]):
            rows.append(digest[5:] + ":42")
        body = "\r\n".join(rows).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def ranges_url():
    class Handler(_Ranges):
        pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/range/", Handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.asyncio
async def test_a_breached_password_is_found_with_one_request_for_all(ranges_url):
    url, handler = ranges_url
    ranges = PwnedRanges(UrllibTransport(), url=url, timeout=5.0)
    outcomes = []

    async def ask():
        outcomes.append(await ranges.look_up(Secret("correct horse 77 staple")))

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(ask)
    assert {(outcome.state, outcome.count) for outcome in outcomes} == {("breached", 42)}
    assert handler.requests == 1
    assert (await ranges.look_up(Secret("another"))).state == "clear"


@pytest.mark.asyncio
@pytest.mark.parametrize(("when", "valid"), [("open", True), ("closed", False)])
async def test_a_failing_source_is_unknown_and_the_breaker_spares_it(ranges_url, when, valid):
    url, handler = ranges_url
    handler.status = 500
    clock = ManualClock()
    ranges = PwnedRanges(UrllibTransport(), url=url, timeout=5.0, break_after=2, clock=clock)
    policy = StandardPolicy(Rules.strong(), breach=ranges, when_unknown=when)
    for _ in range(5):
        verdict = await policy.check("vKq7mZr2Lp9w", About())
        assert verdict.is_valid is valid
    assert handler.requests == 2
    clock.advance(31)
    await policy.check("vKq7mZr2Lp9w", About())
    assert handler.requests == 3


@pytest.mark.asyncio
async def test_a_database_answers_what_it_was_built_from(tmp_path):
    digests = sorted(_sha1(str(number)) for number in range(500))
    source = tmp_path / "all.txt"
    source.write_text("".join(f"{digest}:{at + 1}\n" for at, digest in enumerate(digests)))
    info = build(source, tmp_path / "breach.db", min_count=11)
    assert info.entries == 490
    with BreachDatabase(tmp_path / "breach.db") as database:
        found = [(await database.look_up(Secret(str(number)))).state for number in range(500)]
        assert found.count("breached") == 490
        assert (await database.look_up(Secret("none of them"))).state == "clear"
    (tmp_path / "cut.db").write_bytes((tmp_path / "breach.db").read_bytes()[:-1])
    with pytest.raises(BreachDataError):
        BreachDatabase(tmp_path / "cut.db")
