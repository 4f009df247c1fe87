"""How long work reports that it is alive, and how it is told to stop.

A capability takes ``progress: Progress | None`` and calls it at least every half second. It knows nothing of
threads, bars or windows: a widget, the terminal and a test each pass a `Progress` of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Cancelled(Exception):  # noqa: N818 - it is a decision of the user, not an error
    """The user cancelled; whatever was good before is left as it was."""


class Progress:
    """Report of a running job, from 0 to 1, and the place where it learns that it was cancelled.

    Parameters
    ----------
    report
        Called with ``(fraction, message)``. May be called from any thread.
    is_cancelled
        Asked at every call; when it answers True the call raises `Cancelled`.

    Examples
    --------
    >>> seen = []
    >>> progress = Progress(lambda fraction, message: seen.append(round(fraction, 2)))
    >>> for item in progress.steps("abcd"):
    ...     pass
    >>> seen
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """

    def __init__(
        self,
        report: Callable[[float, str], None] | None = None,
        is_cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._report = report
        self._is_cancelled = is_cancelled

    def __call__(self, fraction: float, message: str = "") -> None:
        """Report `fraction` done; raise `Cancelled` if the user wants the work to stop."""
        self.check()
        if self._report is not None:
            self._report(min(max(fraction, 0.0), 1.0), message)

    def quiet(self) -> Progress:
        """Progress that can be cancelled like this one but reports to nobody."""
        return Progress(None, self._is_cancelled)

    def check(self) -> None:
        """Raise `Cancelled` if the user wants the work to stop, and report nothing."""
        if self._is_cancelled is not None and self._is_cancelled():
            raise Cancelled

    def part(self, start: float, stop: float) -> Progress:
        """Progress of a sub-task, whose 0 to 1 is our `start` to `stop`."""

        def report(fraction: float, message: str) -> None:
            if self._report is not None:
                self._report(start + fraction * (stop - start), message)

        return Progress(report, self._is_cancelled)

    def steps(self, items: Iterable[T], total: int | None = None, message: str = "") -> Iterator[T]:
        """Yield the items, reporting before each and after the last."""
        if total is None:
            items = list(items)
            total = len(items)
        for done, item in enumerate(items):
            self(done / max(total, 1), message)
            yield item
        self(1.0, message)


def silent(progress: Progress | None) -> Progress:
    """Give the progress itself, or one that reports to nobody."""
    return Progress() if progress is None else progress
