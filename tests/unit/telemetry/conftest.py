"""One of each of backstay's events, its texts all of one secret."""

from __future__ import annotations

import dataclasses
import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType, NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

import backstay
from backstay.events import Event

CANARY = "canary-7f3a"
ROOTS = {"Event", "CacheEvent", "MigrationEvent", "PasswordEvent", "IndexEvent"}


def subjects() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(backstay.__path__, "backstay."):
        subject = ".".join(found.name.split(".")[:2])
        if subject in {f"backstay.{name}" for name in ("cache", "tokens", "passwords", "migrations", "indexes")}:
            yield import_module(found.name)


def kinds() -> list[type[Event]]:
    """Every class of event that any subject defines, wherever in it."""
    found = {
        kind
        for module in subjects()
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Event) and kind.__name__ not in ROOTS
    }
    return sorted(found, key=lambda kind: (kind.__module__, kind.__name__))


def secretive(hint: Any) -> Any:
    """A value for a field's type that has the canary wherever a text can be."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is str or origin is Literal:
        return CANARY
    if origin in {Union, UnionType}:
        return secretive(next(arg for arg in args if arg is not NoneType))
    if origin is tuple:
        return (secretive(args[0]),)
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(**{each.name: secretive(hints[each.name]) for each in dataclasses.fields(hint)})
    if hint in {bool, int, float}:
        return hint(1)
    return CANARY  # an enum, from which a caller may have strayed


def event_of(kind: type[Event]) -> Event:
    hints = get_type_hints(kind)
    values = {each.name: secretive(hints[each.name]) for each in dataclasses.fields(kind)}
    return kind(**(values | ({"key": f"users:{CANARY}"} if "key" in values else {})))


@pytest.fixture(scope="session")
def secretive_events() -> list[Event]:
    """One of each event that backstay has; whatever is text in it is the canary."""
    return [event_of(kind) for kind in kinds()]


@pytest.fixture
def canary() -> str:
    """What no label may have."""
    return CANARY
