"""A job's line in napari's activity dock."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_visualccc.widgets._jobs import Job

# Shorter jobs (previews) never reach napari's activity dock, where they would only flicker.
_ACTIVITY_AFTER_S = 0.4


class Activity:
    """The job's line in napari's activity dock; lives on the GUI thread."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._bar: Any = None
        self._begun = self._closed = False

    def update(self) -> None:
        """Show the job's progress, and cancel it if the user pressed the dock's button."""
        if self._bar is None:
            if self._begun or self._job.seconds < _ACTIVITY_AFTER_S:
                return
            self._begun = True
            from napari.utils import cancelable_progress

            # napari processes events while it makes the bar: the job may be over when it comes back.
            self._bar = cancelable_progress(total=100, desc=self._job.title, gui=True)
            if self._closed:
                self.close()
                return
        if self._bar.is_canceled:
            self._job.cancel()
        step = round(100 * self._job.fraction) - self._bar.n
        if step > 0:
            self._bar.update(step)

    def close(self) -> None:
        """Take the line away."""
        self._closed = True
        if self._bar is not None:
            # The activity dock may be gone already when a viewer closes in the middle of a job.
            with contextlib.suppress(RuntimeError, KeyError):
                self._bar.close()
            self._bar = None
