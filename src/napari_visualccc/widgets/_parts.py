"""Small pieces that every dock widget is put together from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from napari_visualccc.widgets._jobs import JobRunner

# Jobs that end sooner need no bar, if they are mostly so short.
_MOMENT_S = 0.5
# Room that the user's dock leaves when it is 320 px wide.
DOCK_WIDTH = 300


class Hint(QLabel):
    """One line of words about what to do next; wraps in a narrow dock."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setWordWrap(True)
        self.setObjectName("visualccc_hint")
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        # A wrapped label must not widen its dock.
        self.setMinimumWidth(0)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)


class Title(Hint):
    """What a result below it is of; wraps, and is whole in its tooltip, as a long file name cannot be wrapped."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("visualccc_title")

    def say(self, text: str) -> None:
        """Show the words."""
        self.setText(text)
        self.setToolTip(text)


class Problem(Hint):
    """Words about what is wrong, next to the control that is wrong; invisible while all is well."""

    def __init__(self) -> None:
        super().__init__()
        self.setStyleSheet("color: #e0603a;")  # readable on napari's dark and light background
        self.say("")

    def say(self, text: str) -> None:
        """Show the words, or hide if there are none."""
        self.setText(f"⚠ {text}" if text else "")
        self.setVisible(bool(text))


class Fold(QWidget):
    """A heading that shows and hides what lies below it.

    Attributes
    ----------
    toggled
        Emitted with True after the content was shown, with False after it was hidden.
    """

    toggled = Signal(bool)

    def __init__(self, title: str, content: QWidget) -> None:
        super().__init__()
        self._button = QToolButton()
        self._button.setText(title)
        self._button.setToolTip(f"Show or hide: {title.lower()}")
        self._button.setCheckable(True)
        self._button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._button.setArrowType(Qt.ArrowType.RightArrow)
        self._button.setStyleSheet("QToolButton { border: none; background: transparent; padding: 2px; }")
        self._button.toggled.connect(self.set_open)
        self._button.toggled.connect(self.toggled)
        self.content = content
        content.setVisible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._button)
        layout.addWidget(content)

    @property
    def is_open(self) -> bool:
        """True if the content is shown."""
        return bool(self._button.isChecked())

    def set_title(self, title: str) -> None:
        """Change the heading."""
        self._button.setText(title)

    def set_open(self, is_open: bool) -> None:
        """Show or hide the content."""
        self._button.setChecked(is_open)
        self._button.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self.content.setVisible(is_open)


class RunBar(QWidget):
    """The one obvious button, which becomes *Cancel* while a job runs, and the progress below it."""

    run_clicked = Signal()
    cancel_clicked = Signal()

    def __init__(self, title: str, tooltip: str) -> None:
        super().__init__()
        self._title, self._tooltip = title, tooltip
        self._running = False
        self.button = QPushButton(title)
        self.button.setMinimumHeight(30)
        self.button.setStyleSheet("font-weight: bold;")
        self.button.clicked.connect(self._clicked)
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.words = Hint()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for part in (self.button, self.bar, self.words):
            layout.addWidget(part)
        self.set_running(False)

    @property
    def is_running(self) -> bool:
        """True while a job is shown."""
        return self._running

    def follow(self, runner: JobRunner, *, short: str = "", only: str = "") -> None:
        """Show the jobs of a runner, and let the button cancel them.

        What else hears of the jobs is connected after this, so that it finds the new state.

        Parameters
        ----------
        runner
            Whose jobs are shown.
        short
            Title of those that are mostly over in a moment: they are shown once they take longer.
        only
            Title of those that are shown, where a widget has several such bars; all by default.
        """
        self._runner, self._short, self._only = runner, short, only
        self.cancel_clicked.connect(runner.cancel)
        runner.started.connect(self._job_started)
        runner.progressed.connect(self._job_progressed)
        runner.finished.connect(self._job_finished)

    @property
    def _is_mine(self) -> bool:
        """True while a job runs that is shown here."""
        return self._runner.is_running and self._only in ("", self._runner.title)

    def _job_started(self, title: str) -> None:
        if self._is_mine and title != self._short:
            self.set_running(True)

    def _job_progressed(self, fraction: float, message: str, seconds_left: float | None) -> None:
        if not self._is_mine:
            return
        if not self._running:
            if self._runner.seconds < _MOMENT_S:
                return
            self.set_running(True)
        self.show_progress(fraction, message, seconds_left)

    def _job_finished(self) -> None:
        if not self._is_mine:  # what came of one job may have begun another
            self.set_running(False)

    def set_running(self, running: bool) -> None:
        """Show the state; the words stay until the next start."""
        self._running = running
        self.button.setText("Cancel" if running else self._title)
        self.button.setToolTip("Stop the running job and keep what was there before" if running else self._tooltip)
        self.button.setEnabled(True)
        self.bar.setVisible(running)
        self.words.setVisible(running)
        if running:
            self.bar.setValue(0)
            self.words.setText("starting …")

    def show_progress(self, fraction: float, message: str, seconds_left: float | None) -> None:
        """Move the bar and say how long it will take."""
        self.bar.setValue(round(1000 * fraction))
        words = [f"{fraction:.0%}", message, f"{_duration(seconds_left)} left" if seconds_left is not None else ""]
        self.words.setText(" · ".join(word for word in words if word))

    def _clicked(self) -> None:
        if not self._running:
            self.run_clicked.emit()
            return
        self.button.setText("Cancelling …")
        self.button.setEnabled(False)
        self.cancel_clicked.emit()


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def window_of(widget: Any) -> QWidget:
    """The viewer's window, also of a widget in a dock that floats: that is a window of its own, with a parent."""
    window: QWidget = widget.window()
    while window.parentWidget() is not None:
        window = window.parentWidget().window()
    return window


def button(text: str, tooltip: str) -> QPushButton:
    """Push button with a tooltip that does not insist on width."""
    made = QPushButton(text)
    made.setToolTip(tooltip)
    made.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
    return made


def row(*widgets: QWidget, stretch: int | None = None) -> QWidget:
    """Widgets side by side; the one at index `stretch` takes the spare room."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if index == stretch else 0)
    return holder


class _NarrowScroll(QScrollArea):
    """Scrolls downwards only, and is content with a narrow dock."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(DOCK_WIDTH, 120)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(DOCK_WIDTH + 20, 640)


def provenance_button() -> QPushButton:
    """The button that every result has."""
    return button("How was it made?", "Parameters, version and the command that repeats it")


def column(host: QWidget, *parts: QWidget) -> None:
    """Fill `host` with parts one below the other, scrollable if the dock is lower than they are."""
    content = QWidget()
    inner = QVBoxLayout(content)
    inner.setContentsMargins(6, 6, 6, 6)
    inner.setSpacing(6)
    for part in parts:
        inner.addWidget(part)
    inner.addStretch(1)
    area = _NarrowScroll()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
    area.setWidget(content)
    layout = QVBoxLayout(host)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(area)
