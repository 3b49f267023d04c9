"""The transport that needs no further package: the standard library's HTTP client, in a thread."""

from __future__ import annotations

import http.client
import time
import urllib.parse
from functools import partial

import anyio
import anyio.to_thread

from backstay.errors import ConfigError

from .protocol import Response, Transport

_CHUNK = 64 * 1024


class UrllibTransport:
    """GET over HTTPS with certificate checks. At most `max_requests` at once; the others wait."""

    def __init__(self, *, max_requests: int = 8) -> None:
        self._max_requests = max_requests
        self._limiter: anyio.CapacityLimiter | None = None

    async def get(self, url: str, /, *, headers: dict[str, str], timeout: float, limit: int) -> Response:
        """The answer; raises OSError as the protocol says."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._max_requests)
        call = partial(_get, url, headers, timeout, limit)
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)


def _get(url: str, headers: dict[str, str], timeout: float, limit: int) -> Response:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError("the address of a breach source begins with https://")
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    deadline = time.monotonic() + timeout
    connection = connect(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
        # The answer is closed too: of one that ends its connection, the connection has let go by then.
        with connection.getresponse() as answer:
            body = _body(answer, deadline, limit)
        return Response(status=answer.status, body=body, retry_after=_seconds(answer.getheader("Retry-After")))
    except http.client.HTTPException as exc:
        raise ConnectionError(f"the breach source answered badly: {type(exc).__name__}") from exc
    finally:
        connection.close()


def _body(answer: http.client.HTTPResponse, deadline: float, limit: int) -> bytes:
    """Read with a deadline of its own: a socket timeout starts anew with every drop that drips in."""
    chunks: list[bytes] = []
    size = 0
    while chunk := answer.read1(_CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise ConnectionError("the breach source answered with too much")
        if time.monotonic() > deadline:
            raise TimeoutError("the breach source was too slow")
    expected = answer.getheader("Content-Length")
    if expected is not None and expected.isdigit() and int(expected) != size:
        raise ConnectionError("the breach source's answer was cut off")
    return b"".join(chunks)


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isdigit() and len(header) < 9 else None


_: type[Transport] = UrllibTransport
