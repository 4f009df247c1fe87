"""Number keys that label planes, while a switch is on, without taking napari's own keys away for good."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import QAbstractSpinBox, QApplication, QComboBox, QLineEdit, QPlainTextEdit, QTextEdit

from napari_visualccc.widgets._parts import window_of

_TYPED_INTO = (QLineEdit, QAbstractSpinBox, QTextEdit, QPlainTextEdit, QComboBox)


class NumberKeys(QObject):
    """Listens for the keys 0 to 9 in the viewer's window; napari does not get them while it listens.

    Attributes
    ----------
    pressed
        Emitted with the number.
    """

    pressed = Signal(int)

    def __init__(self, widget: Any) -> None:
        super().__init__(widget)
        self._widget = widget
        self._listening = False

    def listen(self, on: bool) -> None:
        """Begin or end."""
        if on == self._listening:
            return
        self._listening = on
        application = QApplication.instance()
        if on:
            application.installEventFilter(self)
        else:
            application.removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take number keys, unless somebody types a number into a field."""
        if event.type() not in (QEvent.Type.KeyPress, QEvent.Type.ShortcutOverride):
            return False
        number = event.key() - Qt.Key.Key_0
        plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier == Qt.KeyboardModifier.NoModifier
        if not (0 <= number <= 9 and plain and self._is_ours(watched)):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # a shortcut of that key stays silent, and the key comes as a key press
            return True
        if not event.isAutoRepeat():
            self.pressed.emit(int(number))
        return True

    def _is_ours(self, watched: QObject) -> bool:
        if isinstance(QApplication.focusWidget(), _TYPED_INTO) or not self._widget.isVisibleTo(window_of(self._widget)):
            return False
        # A key goes to the window first, then to the widget in focus: it counts once.
        if not (hasattr(watched, "isWidgetType") and watched.isWidgetType()):
            return False
        return window_of(watched) is window_of(self._widget)
