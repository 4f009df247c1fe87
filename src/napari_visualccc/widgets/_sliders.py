"""Controls with a slider for lengths (in pixels or nm) and for numbers: what a live preview is steered with."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QSlider, QWidget

from napari_visualccc.core.lengths import Length
from napari_visualccc.core.params import AUTO, OptionSpec, specs
from napari_visualccc.core.pixel_size import NANOMETRE, PIXEL, PixelSize
from napari_visualccc.processing.step import Step
from napari_visualccc.widgets._controls import Control, NumberControl
from napari_visualccc.widgets._forms import OptionsForm

_STEPS = 200
_SPIN_WIDTH = 88  # five figures between napari's wide − and + buttons
_UNIT_WIDTH = 66
# The slider reaches so many times the default; the spin box reaches the rest.
_REACH = 10.0
_MICROMETRE = "µm"
_NM_PER_UM = 1000.0


class _ShortSpinBox(QDoubleSpinBox):
    """Spin box that writes 300, not 300.000: a narrow dock has no room for zeros."""

    def textFromValue(self, value: float) -> str:  # noqa: N802 - Qt's name
        text = f"{value:.{self.decimals()}f}"
        return str(self.locale().toString(float(text), "g", 6).replace(self.locale().groupSeparator(), ""))


class _Slider(QSlider):
    """Slider over 0 … top, finer towards zero, that moves a spin box and is moved by it."""

    def __init__(self, spin: QDoubleSpinBox) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._spin = spin
        self._low, self._top = 0.0, 1.0
        self.setRange(0, _STEPS)
        self.setMinimumWidth(30)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # the wheel scrolls the dock
        self.valueChanged.connect(self._moved)
        spin.valueChanged.connect(self.follow)

    def set_range(self, low: float, top: float) -> None:
        """Values at both ends."""
        self._low, self._top = low, max(top, low + 1e-9)
        self.follow()

    def follow(self, *_: object) -> None:
        """Show the value of the spin box."""
        share = min(max((self._spin.value() - self._low) / (self._top - self._low), 0.0), 1.0)
        blocked = self.blockSignals(True)
        self.setValue(round(_STEPS * share**0.5))
        self.blockSignals(blocked)

    def _moved(self, place: int) -> None:
        self._spin.setValue(self._low + (self._top - self._low) * (place / _STEPS) ** 2)
        self.follow()


class LengthControl(Control):
    """Slider, number and unit; nm and µm are offered where the image is calibrated."""

    def __init__(self, spec: OptionSpec, size: PixelSize | None = None) -> None:
        super().__init__(spec)
        self._size = size or PixelSize()
        self.spin = _ShortSpinBox()
        self.spin.setDecimals(3)
        self.spin.setRange(0.0, 1e9)
        self.spin.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.spin.setKeyboardTracking(False)
        self.spin.setFixedWidth(_SPIN_WIDTH)
        self.slider = _Slider(self.spin)
        self.unit = QComboBox()
        self.unit.setFixedWidth(_UNIT_WIDTH)
        self._shown = PIXEL
        _fill(self, self.slider, self.spin, self.unit)
        self._offer([PIXEL])
        self._limit()
        self.spin.valueChanged.connect(self._emit)
        self.unit.activated.connect(self._unit_chosen)

    def set_pixel_size(self, size: PixelSize) -> None:
        """Offer the units that an image of this pixel size has."""
        self._size = size
        units = [PIXEL] + ([size.unit] if size.is_calibrated else [])
        self._offer([*units, *([_MICROMETRE] if size.unit == NANOMETRE else [])])
        self._limit()

    def value(self) -> str:
        """The length as text."""
        number, unit = self.spin.value(), self.unit.currentText()
        if unit == _MICROMETRE:
            number, unit = number * _NM_PER_UM, NANOMETRE
        return str(self.spec.check(str(Length(number, unit))))

    def set_value(self, value: Any) -> None:
        """Show a length given as text."""
        length = Length.parse(value)
        if self.unit.findText(length.unit) < 0:
            self.unit.addItem(length.unit)  # of a recipe for calibrated images: said to be wrong by who knows
        blocked = self.blockSignals(True)
        if not (length.unit == NANOMETRE and self._shown == _MICROMETRE):
            self.unit.setCurrentText(length.unit)
            self._shown = length.unit
        self._limit()
        self.spin.setValue(length.value / (_NM_PER_UM if self._shown == _MICROMETRE else 1))
        self.slider.follow()
        self.blockSignals(blocked)
        self.changed.emit()

    def _offer(self, units: list[str]) -> None:
        if self._shown not in units:
            units = [*units, self._shown]
        self.unit.clear()
        self.unit.addItems(units)
        self.unit.setCurrentText(self._shown)
        self.unit.setEnabled(len(units) > 1)
        self.unit.setToolTip("Pixels, or the unit of the image" if len(units) > 1 else "The image has no pixel size")

    def _per_pixel(self, unit: str) -> float | None:
        """Length of a pixel in a unit; None if the image does not have it."""
        if unit == PIXEL:
            return 1.0
        if unit == _MICROMETRE and self._size.unit == NANOMETRE:
            return self._size.x / _NM_PER_UM
        return self._size.x if unit == self._size.unit else None

    def _unit_chosen(self) -> None:
        """The same length in the other unit."""
        before, after = self._per_pixel(self._shown), self._per_pixel(self.unit.currentText())
        self._shown = self.unit.currentText()
        value = self.spin.value()
        blocked = self.blockSignals(True)
        self._limit()
        if before and after:
            self.spin.setValue(value / before * after)
        self.slider.follow()
        self.blockSignals(blocked)
        self.changed.emit()

    def _limit(self) -> None:
        pixel = self._per_pixel(self._shown) or 1.0
        # Three significant digits of the smallest that matters, whatever the unit.
        self.spin.setDecimals(2 if self._shown == PIXEL else 4 if pixel < 0.1 else 3)
        self.spin.setSingleStep(pixel * max(1.0, Length.parse(self.spec.default).value / 10))
        low = self.spec.minimum or 0.0
        usual = max(Length.parse(self.spec.default).value, 10.0)
        top = min(_REACH * usual, self.spec.maximum or _REACH * usual)
        self.slider.set_range(low * pixel, top * pixel)


class SlidingNumber(NumberControl):
    """Number with a slider, for floats of a limited range."""

    def __init__(self, spec: OptionSpec) -> None:
        super().__init__(spec)
        if self.slider is None and spec.minimum is not None and spec.maximum is not None:
            default = 1.0 if spec.default == AUTO else float(spec.default)
            top = min(spec.maximum, max(_REACH * abs(default), spec.minimum + 1e-9))
            sliding = _Slider(self.spin)
            sliding.set_range(spec.minimum, top)
            self.spin.setFixedWidth(_SPIN_WIDTH + 20)
            self.layout().insertWidget(0, sliding, 1)
            self.sliding = sliding


def step_form(step: Step) -> OptionsForm[Any]:
    """Options of a processing step, with sliders."""
    makers: dict[str, Any] = {"length": LengthControl, "float": SlidingNumber}
    form = OptionsForm(step.options, {s.name: makers[s.kind] for s in specs(step.options) if s.kind in makers})
    for control in form.controls.values():
        spec = control.spec
        for part in (control, *control.findChildren(QWidget)):
            if spec.flag in part.toolTip():
                part.setToolTip(f"{spec.help}\nOn the command line: --step {step.name}:{spec.name}=…")
    return form


def _fill(control: QWidget, *parts: QWidget) -> None:
    layout = QHBoxLayout(control)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for place, part in enumerate(parts):
        layout.addWidget(part, 0 if place else 1)
