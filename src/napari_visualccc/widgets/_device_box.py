"""Where to compute: a choice that is only shown where there is one."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QVBoxLayout, QWidget

from napari_visualccc.core.runtime import Device
from napari_visualccc.widgets._parts import row

WORDS = {
    Device.AUTO: "best there is",
    Device.CPU: "CPU",
    Device.CUDA: "GPU (CUDA)",
    Device.MPS: "GPU (Metal)",
}


class DeviceBox(QWidget):
    """Box of devices, hidden on machines without a GPU.

    Attributes
    ----------
    changed
        Emitted when another device was chosen.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.combo = QComboBox()
        self.combo.setToolTip("Where networks learn and are applied; take the CPU if the GPU's memory is too small")
        self.combo.addItem(WORDS[Device.AUTO], Device.AUTO.value)
        self._wanted = Device.AUTO
        self.combo.activated.connect(self._chosen)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(row(QLabel("Device"), self.combo, stretch=1))
        self.hide()

    @property
    def device(self) -> Device:
        """What was chosen."""
        return self._wanted

    def offer(self, devices: Sequence[Device]) -> None:
        """Show what this machine has; a choice made earlier holds if it is there."""
        self.combo.clear()
        for one in (Device.AUTO, *devices):
            self.combo.addItem(WORDS[one], one.value)
        self.choose(self._wanted if self._wanted in devices else Device.AUTO)
        self.setVisible(len(devices) > 1)

    def choose(self, device: Device | str) -> None:
        """Choose a device, now or when it is offered."""
        self._wanted = Device(device)
        place = self.combo.findData(self._wanted.value)
        self.combo.setCurrentIndex(max(place, 0))

    def _chosen(self, place: int) -> None:
        self._wanted = Device(self.combo.itemData(place))
        self.changed.emit()
