"""Was this password ever leaked? Online by k-anonymity, or offline from one file."""

from .build import build
from .database import BreachDatabase, DatabaseInfo
from .protocol import BreachChecker, BreachOutcome, RangeCache, Response, Transport
from .ranges import MemoryRangeCache, PwnedRanges
from .urllib import UrllibTransport

__all__ = [
    "BreachChecker",
    "BreachDatabase",
    "BreachOutcome",
    "DatabaseInfo",
    "MemoryRangeCache",
    "PwnedRanges",
    "RangeCache",
    "Response",
    "Transport",
    "UrllibTransport",
    "build",
]
