"""The choice of an encoder: those that come with the package in plain words, any other one by its name."""

from __future__ import annotations

from typing import Any, TypeVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QVBoxLayout

from napari_visualccc.core.params import Options, OptionSpec
from napari_visualccc.models.zoo import AUTO, PLAIN_NAMES, plain_name
from napari_visualccc.widgets._controls import Control
from napari_visualccc.widgets._forms import OptionsForm

O = TypeVar("O", bound=Options)  # noqa: E741
_WORDS_PX = 240  # words would be cut off in less: in a narrow dock, the label goes above


class EncoderControl(Control):
    """Combo box that takes any name; what is stored is the name, whatever is shown."""

    def __init__(self, spec: OptionSpec) -> None:
        super().__init__(spec)
        self._weights = AUTO
        self.combo = QComboBox()
        self.combo.setEditable(True)
        self.combo.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.combo.setCompleter(None)  # it would write resnet34 as ResNet34
        self.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.combo.setMinimumWidth(_WORDS_PX)
        for index, name in enumerate(PLAIN_NAMES):
            self.combo.addItem(plain_name(name), name)
            self.combo.setItemData(index, name, Qt.ItemDataRole.ToolTipRole)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.combo)
        self.combo.editTextChanged.connect(self._emit)
        self.combo.lineEdit().editingFinished.connect(self._tidy)

    def value(self) -> Any:
        """Name of the encoder."""
        index = self.combo.findText(self.combo.currentText().strip())
        return self.spec.parse(self.combo.currentText() if index < 0 else self.combo.itemData(index))

    def set_value(self, value: Any) -> None:
        """Choose an encoder by its name."""
        before = self.value()
        blocked = self.combo.blockSignals(True)
        self.combo.setCurrentIndex(self.combo.findData(value))
        self.combo.setEditText(plain_name(str(value), self._weights))
        self.combo.lineEdit().setCursorPosition(0)  # of long words, the beginning is seen
        self.combo.blockSignals(blocked)
        if self.value() != before:
            self.changed.emit()

    def show_weights(self, weights: str) -> None:
        """Say what the encoders learnt from if they begin with other weights; the choice stays."""
        name = self.value()
        blocked = self.combo.blockSignals(True)
        self._weights = weights
        for index in range(self.combo.count()):
            self.combo.setItemText(index, plain_name(self.combo.itemData(index), weights))
        self.combo.setEditText(plain_name(name, weights))
        self.combo.blockSignals(blocked)

    def _tidy(self) -> None:
        self.set_value(self.value())


def encoder_form(options: type[O]) -> OptionsForm[O]:
    """Form for options with ``encoder`` and ``weights``, in which the encoder's words follow the weights."""
    form = OptionsForm(options, {"encoder": EncoderControl})
    encoder, weights = form.controls["encoder"], form.controls["weights"]
    assert isinstance(encoder, EncoderControl)
    weights.changed.connect(lambda: encoder.show_weights(weights.value()))
    return form
