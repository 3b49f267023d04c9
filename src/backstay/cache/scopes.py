"""Invalidation by scope: a log of "everything matching this, begun before then, is dead" (pure).

A scope is a text whose first character says what it is: ``p`` a glob over keys, ``t`` a tag, ``!`` the floor,
which matches everything. A namespace is the glob ``namespace:*``. The log holds one record per distinct scope,
at the newest epoch at which it was invalidated; repeating an invalidation only moves its record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from backstay.errors import InvalidKey

from .globs import Matcher, check_glob, escape, literal_head, matcher

FLOOR = "!"
"""The scope of everything. Laid where the log was lost or had to be cut: doubt is a miss."""

MAX_TAG_BYTES = 256
"""Longest tag, in UTF-8 bytes."""


def pattern_scope(glob: str) -> str:
    """The scope of all keys that match the glob."""
    return "p" + check_glob(glob)


def namespace_scope(namespace: str) -> str:
    """The scope of a namespace: the key that is just its name, and all that continue it with a colon."""
    return pattern_scope(f"{escape(namespace)}:*")


def tag_scope(tag: str) -> str:
    """The scope of all entries that carry the tag."""
    return "t" + check_tag(tag)


def check_tag(tag: str) -> str:
    """The tag itself, if it can be one.

    Raises:
        InvalidKey: it is no text, empty, or longer than `MAX_TAG_BYTES`.
    """
    if type(tag) is not str or not tag:
        raise InvalidKey(f"a tag is a non-empty text, not {type(tag).__name__}")
    if len(tag.encode("utf-8", "surrogatepass")) > MAX_TAG_BYTES:
        raise InvalidKey(f"a tag has at most {MAX_TAG_BYTES} bytes; {tag[:40]!r}… is longer")
    return tag


class _Glob(NamedTuple):
    epoch: int
    head: str
    matches: Matcher


class ScopeLog:
    """A replica of the backend's log: which epoch is the newest that concerns a key and its tags."""

    __slots__ = ("_by_epoch", "_floor", "_globs", "_tags", "epoch", "latest")

    def __init__(self) -> None:
        self.epoch = 0
        """The newest epoch known."""
        self._floor = 0
        self.latest = 0
        """The epoch of the newest record: nothing concerns an entry that was begun at it or later."""
        self._tags: dict[str, int] = {}
        self._globs: dict[str, _Glob] = {}
        self._by_epoch: list[_Glob] = []

    def apply(self, epoch: int, records: Iterable[tuple[str, int]]) -> None:
        """Take in what a read brought. Older records than those known change nothing."""
        noted = False
        for scope, at in records:
            self._note(scope[0], scope[1:], at)
            noted = True
        if noted:
            # Newest first, so that the first match is the answer and older ones need no look.
            self._by_epoch = sorted(self._globs.values(), key=lambda glob: -glob.epoch)
        self.epoch = max(self.epoch, epoch)

    def newest(self, key: str, tags: Sequence[str], begun: int = 0) -> int:
        """The newest epoch at which something that matches the key or a tag was invalidated.

        `begun` bounds the search: records up to it are of no interest, and 0 is answered if there are none
        newer. An entry begun at an epoch below the answer is dead.
        """
        if begun >= self.latest:  # the normal case: nothing was invalidated since the entry began
            return 0
        found = self._floor
        for tag in tags:
            found = max(found, self._tags.get(tag, 0))
        for glob in self._by_epoch:
            if glob.epoch <= found or glob.epoch <= begun:
                break
            if key.startswith(glob.head) and glob.matches(key):
                found = glob.epoch
                break
        return found if found > begun else 0

    def _note(self, kind: str, text: str, at: int) -> None:
        self.latest = max(self.latest, at)
        if kind == FLOOR:
            self._lay_floor(at)
        elif at <= self._floor:
            return
        elif kind == "t":
            self._tags[text] = max(at, self._tags.get(text, 0))
        elif kind == "p":
            known = self._globs.get(text)
            if known is None:
                self._globs[text] = _Glob(at, literal_head(text), matcher(text))
            elif at > known.epoch:
                self._globs[text] = known._replace(epoch=at)
        else:
            raise InvalidKey(f"a scope begins with 'p', 't' or '!', not {kind!r}")

    def _lay_floor(self, at: int) -> None:
        """Records below the floor say nothing that the floor does not: forget them."""
        self._floor = max(self._floor, at)
        self._tags = {tag: epoch for tag, epoch in self._tags.items() if epoch > self._floor}
        self._globs = {text: glob for text, glob in self._globs.items() if glob.epoch > self._floor}
