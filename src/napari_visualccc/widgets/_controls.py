"""One control per kind of option: spin box, slider, check box, combo box, check boxes, text."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QSlider,
    QSpinBox,
    QWidget,
)

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import AUTO, OptionSpec

_LARGEST = 2**31 - 1
# A whole number with at most this many values gets a slider beside its spin box.
_SLIDER_VALUES = 100
_CHOICE_COLUMNS = 2
_LEAST_DECIMALS = 3
_SPIN_WIDTH = 84  # three digits between napari's wide − and + buttons


class Control(QWidget):
    """A control that edits one option.

    Attributes
    ----------
    changed
        Emitted after every change by user or program.
    """

    changed = Signal()

    def __init__(self, spec: OptionSpec) -> None:
        super().__init__()
        self.spec = spec

    def value(self) -> Any:
        """What is entered.

        Raises
        ------
        OptionError
            If that cannot be.
        """
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Enter a value."""
        raise NotImplementedError

    def _emit(self, *_: object) -> None:
        self.changed.emit()


class NumberControl(Control):
    """Spin box, with a slider if the range is small and an *auto* check box if the option allows it."""

    def __init__(self, spec: OptionSpec) -> None:
        super().__init__(spec)
        layout = _bare(QHBoxLayout(self))
        self.spin = _spin_box(spec)
        self.slider = self._slider() if _has_slider(spec) else None
        if self.slider is not None:
            layout.addWidget(self.slider, 1)
        if self.slider is not None:
            self.spin.setFixedWidth(_SPIN_WIDTH)
        layout.addWidget(self.spin, 0 if self.slider else 1)
        self.auto = QCheckBox(AUTO) if spec.auto else None
        if self.auto is not None:
            layout.addWidget(self.auto)
            self.auto.toggled.connect(self._auto_toggled)
        self.spin.valueChanged.connect(self._emit)

    def _slider(self) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setMinimumWidth(40)
        # Rarely does anybody want more than a dozen; the spin box reaches the rest.
        slider.setRange(self.spin.minimum(), min(self.spin.maximum(), 12))
        slider.valueChanged.connect(self.spin.setValue)
        self.spin.valueChanged.connect(self._follow_spin)
        return slider

    def _follow_spin(self, value: int) -> None:
        assert self.slider is not None
        if value != self.slider.value() and value <= self.slider.maximum():
            self.slider.setValue(value)

    def _auto_toggled(self, is_auto: bool) -> None:
        self.spin.setEnabled(not is_auto)
        if self.slider is not None:
            self.slider.setEnabled(not is_auto)
        self.changed.emit()

    def value(self) -> Any:
        """Number or ``"auto"``."""
        return AUTO if self.auto is not None and self.auto.isChecked() else self.spec.check(self.spin.value())

    def set_value(self, value: Any) -> None:
        """Number or ``"auto"``."""
        if self.auto is not None:
            self.auto.setChecked(value == AUTO)
        if value != AUTO:
            self.spin.setValue(value)


class BoolControl(Control):
    """Check box."""

    def __init__(self, spec: OptionSpec) -> None:
        super().__init__(spec)
        self.box = QCheckBox()
        _bare(QHBoxLayout(self)).addWidget(self.box)
        self.box.toggled.connect(self._emit)

    def value(self) -> bool:
        """Whether it is ticked."""
        return bool(self.box.isChecked())

    def set_value(self, value: Any) -> None:
        """Tick or untick."""
        self.box.setChecked(bool(value))


class ChoiceControl(Control):
    """Combo box."""

    def __init__(self, spec: OptionSpec) -> None:
        super().__init__(spec)
        self.combo = QComboBox()
        self.combo.addItems(spec.choices)
        _bare(QHBoxLayout(self)).addWidget(self.combo)
        self.combo.currentIndexChanged.connect(self._emit)

    def value(self) -> str:
        """Text of the entry."""
        return str(self.combo.currentText())

    def set_value(self, value: Any) -> None:
        """Choose an entry."""
        self.combo.setCurrentText(str(value))


class ChoicesControl(Control):
    """A check box per choice, in two columns."""

    def __init__(self, spec: OptionSpec) -> None:
        super().__init__(spec)
        layout = _bare(QGridLayout(self))
        self.boxes: dict[str, QCheckBox] = {}
        for index, choice in enumerate(spec.choices):
            box = QCheckBox(choice)
            box.setToolTip(f"{spec.help} ({choice})")
            layout.addWidget(box, *divmod(index, _CHOICE_COLUMNS))
            box.toggled.connect(self._emit)
            self.boxes[choice] = box

    def value(self) -> Any:
        """Ticked choices."""
        return self.spec.check(tuple(choice for choice, box in self.boxes.items() if box.isChecked()))

    def set_value(self, value: Any) -> None:
        """Tick just these."""
        blocked = self.blockSignals(True)
        for choice, box in self.boxes.items():
            box.setChecked(choice in value)
        self.blockSignals(blocked)
        self.changed.emit()


class TextControl(Control):
    """Text field, for numbers separated by commas and for words."""

    def __init__(self, spec: OptionSpec) -> None:
        super().__init__(spec)
        self.field = QLineEdit()
        self.field.setMinimumWidth(40)
        if spec.kind == "numbers":
            self.field.setPlaceholderText("1, 2, 4")
        _bare(QHBoxLayout(self)).addWidget(self.field)
        self.field.textChanged.connect(self._emit)

    def value(self) -> Any:
        """What the text says."""
        return self.spec.parse(self.field.text())

    def set_value(self, value: Any) -> None:
        """Write the value."""
        self.field.setText(self.spec.text(value).replace(",", ", "))


def make_control(spec: OptionSpec, maker: Callable[[OptionSpec], Control] | None = None) -> Control:
    """Control that fits the kind of option, or is made by `maker`, showing its default."""
    kinds: dict[str, Callable[[OptionSpec], Control]] = {
        "int": NumberControl, "float": NumberControl, "bool": BoolControl, "choice": ChoiceControl,
        "choices": ChoicesControl, "numbers": TextControl, "text": TextControl, "length": TextControl,
    }  # fmt: skip
    control = (maker or kinds[spec.kind])(spec)
    tip = f"{spec.help}\nOn the command line: {spec.flag}"
    for widget in (control, *control.findChildren(QWidget)):
        if not widget.toolTip():
            widget.setToolTip(tip)
        widget.setAccessibleName(spec.label)
    control.set_value(spec.default)
    return control


def problem_of(control: Control) -> str:
    """What is wrong with what is entered, in words; empty if nothing."""
    try:
        control.value()
    except OptionError as error:
        return str(error)
    return ""


def _has_slider(spec: OptionSpec) -> bool:
    if spec.kind != "int" or spec.minimum is None or spec.maximum is None:
        return False
    return spec.maximum - spec.minimum < _SLIDER_VALUES


class _PlainSpinBox(QDoubleSpinBox):
    """Writes 10, not 10.000."""

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        text = str(super().textFromValue(value))
        point = self.locale().decimalPoint()
        return text.rstrip("0").removesuffix(point) if point in text else text


def _decimals(spec: OptionSpec) -> int:
    """Enough for the smallest value and step of an option."""
    finest = min((abs(number) for number in (spec.minimum, spec.step) if number), default=1.0)
    return max(_LEAST_DECIMALS, math.ceil(-math.log10(finest)))


def _spin_box(spec: OptionSpec) -> QSpinBox | QDoubleSpinBox:
    spin: QSpinBox | QDoubleSpinBox
    if spec.kind == "int":
        spin = QSpinBox()
        low, high = spec.minimum, spec.maximum
        spin.setRange(int(-_LARGEST if low is None else low), int(_LARGEST if high is None else min(high, _LARGEST)))
        spin.setSingleStep(int(spec.step or 1))
    else:
        spin = _PlainSpinBox()
        spin.setDecimals(_decimals(spec))
        spin.setRange(-1e12 if spec.minimum is None else spec.minimum, 1e12 if spec.maximum is None else spec.maximum)
        spin.setSingleStep(spec.step or 0.1)
    if spec.unit:
        spin.setSuffix(f" {spec.unit}")
    # Scrolling through the dock must not change numbers that pass under the mouse.
    spin.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    spin.setKeyboardTracking(False)
    spin.setMinimumWidth(60)
    return spin


def _bare(layout: Any) -> Any:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    return layout
