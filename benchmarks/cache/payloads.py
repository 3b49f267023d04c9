"""The values that are cached. Each names its key, so that a reply given to the wrong caller shows."""

from __future__ import annotations

import json
from typing import Any

import msgspec


class Line(msgspec.Struct):
    sku: str
    price: float
    quantity: int


class Order(msgspec.Struct):
    """About 1 KiB as JSON: what a service caches most."""

    key: str
    customer: str
    paid: bool
    lines: list[Line]


def order(key: str) -> dict[str, Any]:
    lines = [{"sku": f"sku-{i:08d}-{key[:4]}", "price": 19.25 + i, "quantity": i} for i in range(15)]
    return {"key": key, "customer": "somebody@example.org", "paid": True, "lines": lines}


def filler(size: int):
    def make(key: str) -> bytes:
        return (key.encode() + b"|").ljust(size, b"x")

    return make


MAKERS = {"100": filler(100), "64k": filler(64 * 1024), "order": order}


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def key_of(value: Any) -> str:
    """The key that a value names."""
    if isinstance(value, Order):
        return value.key
    if isinstance(value, dict):
        return value["key"]
    return bytes(value).partition(b"|")[0].decode()
