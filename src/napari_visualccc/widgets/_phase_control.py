"""Control for options that name phases: a text field with a menu of the phases that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QToolButton

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import OptionSpec
from napari_visualccc.segment.measure_options import find_labels, split_words
from napari_visualccc.widgets._controls import TextControl


class PhaseControl(TextControl):
    """Names of phases separated by commas; the menu beside the field adds and takes away.

    Parameters
    ----------
    spec
        The option, of kind "text".
    single
        True for options that take one phase only.
    """

    def __init__(self, spec: OptionSpec, *, single: bool = False) -> None:
        super().__init__(spec)
        self._single = single
        self._names: dict[int, str] = {}
        self._menu = QMenu(self)
        self.button = QToolButton()
        self.button.setText("▾")
        self.button.setToolTip("Choose among the phases of this layer")
        self.button.setAccessibleName(f"{spec.label}: choose")
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.button.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.button.setMenu(self._menu)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self.button)
        self._menu.aboutToShow.connect(self._tick)
        self.offer({})

    def offer(self, names: Mapping[int, str]) -> None:
        """List these phases in the menu, and accept no other names."""
        self._names = dict(names)
        self._menu.clear()
        for value, name in names.items():
            action = QAction(name, self._menu)
            # A name with a comma cannot stand in the list: its number can.
            action.setData(str(value) if "," in name else name)
            action.setCheckable(True)
            action.triggered.connect(self._toggled)
            self._menu.addAction(action)
        self.button.setEnabled(bool(names))

    def choose(self, word: str, on: bool = True) -> None:
        """Add a phase to the text, or take it away."""
        words = [] if self._single else [one for one in split_words(self.field.text()) if one != word]
        self.field.setText(", ".join([*words, word] if on else words))

    def value(self) -> Any:
        """The text.

        Raises
        ------
        OptionError
            If it names a phase that is not there, or several where one is wanted.
        """
        text = super().value()
        if self._names and len(find_labels(text, self._names, self.spec.label)) > 1 and self._single:
            raise OptionError(f"{self.spec.label} takes one phase, not {text!r}")
        return text

    def set_value(self, value: Any) -> None:
        """Write the value."""
        self.field.setText(", ".join(split_words(str(value))))

    def _tick(self) -> None:
        chosen = {word.casefold() for word in split_words(self.field.text())}
        for action in self._menu.actions():
            action.setChecked(str(action.data()).casefold() in chosen)

    def _toggled(self, on: bool) -> None:
        action = self.sender()
        if isinstance(action, QAction):
            self.choose(str(action.data()), on)
