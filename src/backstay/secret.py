"""A text that shows itself only to whoever asks for it by name."""

from __future__ import annotations

import hmac
from typing import Never, final

_MASK = "***"


@final
class Secret:
    """A password, key or connection string that no log line, repr, traceback or pickle gives away.

    ``str()``, ``repr()``, ``format()`` and f-strings show ``***``; pickling and copying into JSON fail. Only
    `reveal` hands the text out. Not promised: that the text is wiped from memory; CPython cannot do that.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    @classmethod
    def of(cls, text: str | Secret) -> Secret:
        """The secret itself, or one made of the text.

        Bound to the name that the text came under, it keeps the text out of the frame that a traceback with
        locals would show.
        """
        return text if isinstance(text, Secret) else cls(text)

    def reveal(self) -> str:
        """The text itself. Keep it in no variable that outlives the call it is meant for."""
        return self.__text

    def __eq__(self, other: object) -> bool:
        """Compare in constant time. Equal only to another Secret."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__text))

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __repr__(self) -> str:
        return f"Secret({_MASK!r})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __reduce__(self) -> Never:
        raise TypeError("a Secret is not pickled; pass the setting's name and read it on the other side")
