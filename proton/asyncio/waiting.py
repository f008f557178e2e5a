"""`Waiters`: coroutines that wait until something has changed; `limit_of`: the seconds that a call may take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from proton.asyncio.errors import Timeout

if TYPE_CHECKING:
    from proton.asyncio.loop import Loop

__all__ = ["DEFAULT", "Waiters", "check_timeout", "limit_of", "timed_out"]


class _Default:
    """Stands for the connection's own time-out."""

    def __repr__(self) -> str:
        return "the connection's"


#: the default of `timeout`
DEFAULT: Any = _Default()


def check_timeout(name: str, seconds: Any) -> float | None:
    """Seconds, None for no limit.

    :raises TypeError: neither a number nor None.
    :raises ValueError: below 0.
    """
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} takes seconds or None, got {type(seconds).__name__} {seconds!r:.50}")
    if not seconds >= 0:
        raise ValueError(f"{name} takes 0 or more seconds, got {seconds!r}")
    return seconds


def limit_of(timeout: Any, default: float | None) -> float | None:
    """The seconds that a call may take, as the program has given them.

    :param default: for `DEFAULT`.
    :raises TypeError, ValueError: as `check_timeout`.
    """
    return default if timeout is DEFAULT else check_timeout("timeout", timeout)


def timed_out(what: str | Callable[[], str], seconds: float | None) -> Timeout:
    """The exception for a time-out.

    :param what: what was waited for, in words, or a function that says it.
    """
    return Timeout(f"{what() if callable(what) else what}: timed out after {seconds:g} s")


class Waiters:
    """Coroutines that wait for a change."""

    __slots__ = ("_futures",)

    def __init__(self) -> None:
        self._futures: dict[Any, None] = {}

    def __bool__(self) -> bool:
        return bool(self._futures)

    def wake(self) -> None:
        """Something has changed: each of them looks whether it may go on."""
        if self._futures:
            futures, self._futures = self._futures, {}
            for future in futures:
                if not future.done():
                    future.set_result(None)

    async def until(
        self, loop: Loop, ready: Callable[[], Any], timeout: float | None, what: str | Callable[[], str]
    ) -> Any:
        """Wait until a function gives something true, which is the result.

        :param ready: looks whether it is so; what it raises comes out.
        :param timeout: seconds, None for no limit.
        :param what: what is waited for, in words; or a function that says it at the end of the time.
        :raises Timeout: it has not come true in time.
        """
        loop.check()
        deadline = loop.deadline(timeout)
        while True:
            found = ready()
            if found:
                return found
            # A future for each look: the changes that end a wait are rare, and all of them may end it.
            future = loop.create_future()
            self._futures[future] = None
            try:
                error = await loop.wait(future, loop.left(deadline), lambda: timed_out(what, timeout))
            finally:
                self._futures.pop(future, None)
            if error is not None:
                raise error
