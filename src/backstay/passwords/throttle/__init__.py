"""Bounds on guessing: how many passwords of an account are compared, and for whom."""

from .devices import DeviceTokens
from .limits import Limit
from .memory import MemoryThrottle
from .protocol import Attempt, Charge, Charged, LoginThrottle, ThrottleStore
from .standard import Limits, StandardThrottle

__all__ = [
    "Attempt",
    "Charge",
    "Charged",
    "DeviceTokens",
    "Limit",
    "Limits",
    "LoginThrottle",
    "MemoryThrottle",
    "StandardThrottle",
    "ThrottleStore",
]
