"""`Openable`: what programs open by ``await`` or ``async with``; `Cored` and `core_of`: the inner object of one.

What a program has is thin: its state, and what the parts of this package call, is a core, which the host knows. A
`Faced` core refers back to the public object.
"""

from __future__ import annotations

import weakref
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Callable, Generic, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["AsyncWith", "Cored", "Faced", "Openable", "core_of"]

_Core = TypeVar("_Core")
_Face = TypeVar("_Face")


class AsyncWith:
    """What ``async with`` is for: plain ``with``, the most frequent slip, says so."""

    __slots__ = ()

    # Not for checkers, which find the mistake by the absence of these.
    if not TYPE_CHECKING:

        def __enter__(self) -> None:
            raise TypeError(f"{type(self).__name__} takes 'async with', got 'with'")

        def __exit__(self, *exc: object) -> None:
            """Never called; without it Python says something else."""


class Openable(AsyncWith):
    """Awaiting it opens it; ``async with`` opens it, and closes it at the end of the block."""

    def __await__(self) -> Generator[Any, Any, Self]:
        return self.open().__await__()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> Self:
        """Open it, and wait until the peer has."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close it, and wait until the peer has."""
        raise NotImplementedError


class Cored(Generic[_Core]):
    """What a program has of an inner object."""

    def __init__(self, core: _Core) -> None:
        self._core = core


def core_of(public: Cored[_Core]) -> _Core:
    """The core of an object that a program has."""
    return public._core


class Faced(Generic[_Face]):
    """A core that refers to the object that the program has of it.

    While the two are in use, they hold each other: a program that drops the public object gets the same one again. At
    the end of the core `let_go` leaves a weak reference, so that the last reference of the program frees both.
    """

    _held: _Face | None = None
    _make_face: Callable[[Any], _Face]
    _known: Callable[[], _Face | None]

    @property
    def face(self) -> _Face:
        """What the program has. A new one after the end, if the program has dropped it."""
        face = self._held if self._held is not None else self._known()
        return self._make_face(self) if face is None else face

    def show(self, face: _Face) -> None:
        """Becomes the core of a public object.

        :param face: the public object, whose class makes another one of the core.
        """
        # One that is made anew, after the end, is held by the program alone.
        if "_known" not in vars(self):
            self._held = face
        self._make_face = type(face)
        self._known = weakref.ref(face)

    def let_go(self) -> None:
        """It has ended: the public object is the program's alone."""
        self._held = None
