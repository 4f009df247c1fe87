"""“How was this made?”: the record of a result layer, with a command that repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_visualccc.layers import METADATA_KEY
from napari_visualccc.widgets._parts import button

_WORDS = {
    "operation": "What", "input_name": "Image", "input_hash": "Fingerprint", "seed": "Seed", "model_hash": "Model",
    "seconds": "Computed in", "version": "napari-visualccc", "finished": "Finished (UTC)",
}  # fmt: skip


def provenance_of(layer: Any) -> dict[str, Any] | None:
    """Record that a result layer carries, or None."""
    if layer is None:
        return None
    found = layer.metadata.get(METADATA_KEY, {}).get("provenance")
    return dict(found) if found else None


def describe(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The record as (word, value) pairs for people."""
    rows = []
    for key, word in _WORDS.items():
        value = record.get(key)
        if value not in (None, ""):
            rows.append((word, f"{value} s" if key == "seconds" else str(value)))
    for name, value in record.get("parameters", {}).items():
        if name in _WORDS:
            continue
        shown = ", ".join(map(_plain, value)) if isinstance(value, list | tuple) else _plain(value)
        rows.append((name.replace("_", " "), shown))
    return rows


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


class ProvenanceDialog(QDialog):
    """Shows how a layer was made; the command can be copied."""

    def __init__(self, title: str, record: Mapping[str, Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(f"How was “{title}” made?")
        layout = QVBoxLayout(self)
        form = QFormLayout()
        for word, value in describe(record):
            label = QLabel(value)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            form.addRow(word, label)
        layout.addLayout(form)
        self.command = QPlainTextEdit(str(record.get("command", "")))
        self.command.setReadOnly(True)
        self.command.setMaximumHeight(80)
        self.command.setToolTip("Command that repeats this in a terminal")
        layout.addWidget(QLabel("The same in a terminal (an image without a file has its name there):"))
        layout.addWidget(self.command)
        self.copy_button = button("Copy command", "Copy the command to the clipboard")
        self.copy_button.clicked.connect(self._copy)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(self.copy_button, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.close)
        layout.addWidget(buttons)
        self.resize(460, 420)

    def _copy(self) -> None:
        QApplication.clipboard().setText(self.command.toPlainText())
        self.copy_button.setText("Copied")


def open_provenance(layer: Any, parent: QWidget) -> ProvenanceDialog | None:
    """Show how a layer was made; None if it carries no record."""
    record = provenance_of(layer)
    if record is None:
        return None
    dialog = ProvenanceDialog(layer.name, record, parent)
    dialog.show()
    return dialog
