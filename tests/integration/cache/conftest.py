"""Nodes of a cache with and without a local tier, opened in one place."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["far tier alone", "with a local tier"])
def tier(request):
    """Options for `Cache` and, in seconds, by how much another node's change may be learned of late."""
    return ({"local": None}, 0.0) if request.param == "far tier alone" else ({}, 0.05)
