"""`Openable`: what programs open by ``await`` or ``async with``; `Cored` and `core_of`: the inner object of one.

What a program has is thin: its state, and what the parts of this package call, is a core, which the host knows.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["AsyncWith", "Cored", "Openable", "core_of"]

_Core = TypeVar("_Core")


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
