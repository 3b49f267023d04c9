"""Pure ASGI middleware, for any framework: authentication, cache headers, and a flight recorder."""

from .authentication import ANONYMOUS, Anonymous, AuthenticationMiddleware, Unaccepted
from .caching import CacheHeadersMiddleware, cached_route
from .guard import REFUSED, SocketGuard
from .recorder import FlightRecorder, Recording
from .sending import CLOSE_CODES, close_message, send_answer

__all__ = [
    "ANONYMOUS",
    "CLOSE_CODES",
    "REFUSED",
    "Anonymous",
    "AuthenticationMiddleware",
    "CacheHeadersMiddleware",
    "FlightRecorder",
    "Recording",
    "SocketGuard",
    "Unaccepted",
    "cached_route",
    "close_message",
    "send_answer",
]
