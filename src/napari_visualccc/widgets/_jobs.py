"""Work in the background: the only place that starts threads for the user interface.

The worker thread knows no Qt object. It leaves its progress and its outcome in a `Job`, which a timer on the GUI
thread looks at; when the widget is gone so is the timer, and the thread ends at its next progress call without
touching anything dead.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QEvent, QObject, QTimer, Signal

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.widgets._activity import Activity
from napari_visualccc.widgets._parts import window_of

# 20 looks per second: smooth for the eye, and cheap.
_LOOK_MS = 50
# At the end of the interpreter running jobs get this long to notice that they were cancelled.
_EXIT_PATIENCE_S = 2.0

_alive: weakref.WeakSet[Job] = weakref.WeakSet()


class Job:
    """One function call in a thread of its own, and what is known about it.

    Parameters
    ----------
    function
        Called as ``function(*args, progress=Progress(...), **keywords)``.
    title
        What it does, for the activity dock.
    time_left
        Knows better than the progress so far how many seconds it will still take.

    Attributes
    ----------
    fraction, message
        Last report.
    value, error
        Outcome; valid once `is_done`.
    was_cancelled
        True if it ended because of `cancel`.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        keywords: dict[str, Any],
        title: str,
        time_left: Callable[[], float | None] | None = None,
    ) -> None:
        self.title = title
        self._time_left = time_left
        self.fraction = 0.0
        self.message = ""
        self.value: Any = None
        self.error: BaseException | None = None
        self.was_cancelled = False
        self._call: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]] | None = (function, args, keywords)
        self._cancel = threading.Event()
        self._started = time.perf_counter()
        self._thread = threading.Thread(target=self._run, name="visualccc-job", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._started = time.perf_counter()
        _alive.add(self)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the function to stop at its next progress call; may be called from any thread, and twice."""
        self._cancel.set()

    def wait(self, seconds: float) -> bool:
        """Wait for the end; False if it did not come in time."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def is_done(self) -> bool:
        """True once the function has returned or raised."""
        return not self._thread.is_alive()

    @property
    def is_cancelled(self) -> bool:
        """True once somebody asked it to stop."""
        return self._cancel.is_set()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the progress so far; None while it is too early to say."""
        if self._time_left is not None:
            return self._time_left()
        if self.seconds < 0.5 or self.fraction < 0.02:
            return None
        return self.seconds * (1 - self.fraction) / self.fraction

    def _report(self, fraction: float, message: str) -> None:
        self.fraction, self.message = fraction, message

    def _run(self) -> None:
        assert self._call is not None
        function, args, keywords = self._call
        self._call = None
        try:
            self.value = function(*args, progress=Progress(self._report, self._cancel.is_set), **keywords)
        except Cancelled:
            self.was_cancelled = True
        except Exception as error:  # noqa: BLE001 - handed to the GUI thread, which shows it
            self.error = error


def _cancel_all() -> None:
    """Let no thread outlive the interpreter."""
    jobs = list(_alive)
    for job in jobs:
        job.cancel()
    deadline = time.perf_counter() + _EXIT_PATIENCE_S
    for job in jobs:
        job.wait(max(0.0, deadline - time.perf_counter()))


atexit.register(_cancel_all)


class JobRunner(QObject):
    """Runs one job at a time for a widget and tells of it by signals, all on the GUI thread.

    Parameters
    ----------
    parent
        Widget that the jobs belong to. When it is hidden by its dock or window, or destroyed, the job is cancelled.
    quiet
        True keeps the jobs out of napari's activity dock.
    look_ms
        How often to look whether the job is done; a preview that follows a slider has no 50 ms to wait.
    while_hidden
        True lets the jobs go on while the dock is hidden, for what takes long or must not be lost; they still end with
        the viewer.

    Notes
    -----
    A job that is started while another runs cancels that one and begins when it has stopped, so that two jobs never
    share data. Of several such only the latest is kept.
    """

    started = Signal(str)
    progressed = Signal(float, str, object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    finished = Signal()

    def __init__(
        self, parent: QObject, *, quiet: bool = False, look_ms: int = _LOOK_MS, while_hidden: bool = False
    ) -> None:
        super().__init__(parent)
        self._quiet, self._while_hidden = quiet, while_hidden
        self._job: Job | None = None
        self._activity: Activity | None = None
        self._then: Callable[[Any], None] | None = None
        self._waiting: list[tuple[Job, Callable[[Any], None] | None]] = []
        self._clock = QTimer(self)
        self._clock.setInterval(look_ms)
        self._clock.timeout.connect(self._look)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.timeout.connect(self._start_delayed)
        self._delayed: Callable[[], None] | None = None
        parent.installEventFilter(self)

    @property
    def is_running(self) -> bool:
        """True from `start` until the outcome was delivered."""
        return self._job is not None

    @property
    def title(self) -> str:
        """What the running job does; empty if there is none."""
        return self._job.title if self._job is not None else ""

    @property
    def seconds(self) -> float:
        """Seconds since the running job began."""
        return self._job.seconds if self._job is not None else 0.0

    def start(
        self,
        function: Callable[..., Any],
        *args: Any,
        title: str = "Visual-CCC",
        then: Callable[[Any], None] | None = None,
        in_turn: bool = False,
        time_left: Callable[[], float | None] | None = None,
        **keywords: Any,
    ) -> Job:
        """Call ``function(*args, progress=…, **keywords)`` in a thread; give its value to `then` on the GUI thread.

        With `in_turn` the job waits for those before it instead of taking their place.
        """
        job = Job(function, args, keywords, title, time_left)
        if self._job is None:
            self._begin(job, then)
        elif in_turn:
            self._waiting.append((job, then))
        else:
            self._job.cancel()
            self._waiting = [(job, then)]
        return job

    def later(self, begin: Callable[[], None], milliseconds: int = 150) -> None:
        """Call `begin`, which starts a job, once nothing more has asked for that time: for live previews."""
        self._delayed = begin
        self._delay.start(milliseconds)

    def cancel(self) -> None:
        """Stop the running job at its next progress call, and forget those that wait."""
        self._delay.stop()
        self._waiting = []
        if self._job is not None:
            self._job.cancel()

    def wait(self, seconds: float = 1.0) -> bool:
        """Block until the running thread has ended; for tests and for shutting down."""
        return self._job is None or self._job.wait(seconds)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Cancel when the widget is put away (but not when its window is merely minimised)."""
        hidden = event.type() == QEvent.Type.Hide and not event.spontaneous()
        gone = event.type() == QEvent.Type.ParentChange and watched.parent() is None  # taken out of its dock
        if gone or (hidden and not (self._while_hidden and window_of(watched).isVisible())):
            self.cancel()
            if self._activity is not None:
                self._activity.close()
        return False

    def _start_delayed(self) -> None:
        if self._delayed is not None:
            self._delayed()

    def _begin(self, job: Job, then: Callable[[Any], None] | None) -> None:
        self._job, self._then = job, then
        self._activity = None if self._quiet else Activity(job)
        # The destroyed signal reaches plain functions and objects only; our own methods are disconnected by then.
        self.destroyed.connect(job.cancel)
        job.start()
        self._clock.start()
        self.started.emit(job.title)

    def _look(self) -> None:
        job = self._job
        if job is None:
            self._clock.stop()
            return
        done = job.is_done  # before reading the outcome
        if not done:
            if self._activity is not None and not job.is_cancelled:
                self._activity.update()
            if self._job is job:
                self.progressed.emit(job.fraction, job.message, job.seconds_left)
            return
        self._deliver(job)

    def _deliver(self, job: Job) -> None:
        self._clock.stop()
        if self._activity is not None:
            self._activity.close()
        then = self._then
        self._job = self._activity = self._then = None
        with contextlib.suppress(TypeError, RuntimeError):
            self.destroyed.disconnect(job.cancel)
        try:
            if job.error is not None:
                show_problem(job.error)
                self.failed.emit(job.error)
            elif job.was_cancelled or job.is_cancelled:
                self.cancelled.emit()
            else:
                if then is not None:
                    then(job.value)
                self.succeeded.emit(job.value)
        finally:
            self.finished.emit()
            if self._waiting and self._job is None:  # `finished` may have begun another
                self._begin(*self._waiting.pop(0))


def show_problem(error: BaseException) -> None:
    """Tell the user: one line for what they can mend, napari's notification with traceback for a bug."""
    from napari.utils.notifications import notification_manager, show_error

    if isinstance(error, VisualCCCError):
        show_error(str(error))
    else:
        notification_manager.receive_error(type(error), error, error.__traceback__)


def bound(method: Callable[[Any, Any], None], first: Any) -> Callable[[Any], None]:
    """Call the method with `first` and what comes."""

    def call(value: Any) -> None:
        method(first, value)

    return call
