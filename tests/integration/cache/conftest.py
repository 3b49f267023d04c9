"""Nodes of a cache with and without a local tier, opened in one place."""

from __future__ import annotations

import inspect

import pytest

from backstay.cache import Cache

HAS_LOCAL_TIER = "local" in inspect.signature(Cache).parameters


@pytest.fixture(params=["far tier alone", "with a local tier"])
def tier(request):
    """Options for `Cache` and, in seconds, by how much another node's change may be learned of late."""
    if request.param == "far tier alone":
        return ({"local": None} if HAS_LOCAL_TIER else {}), 0.0
    if not HAS_LOCAL_TIER:
        pytest.skip("Cache takes no local tier yet")
    from backstay.cache import Local

    return {"local": Local()}, 0.02
