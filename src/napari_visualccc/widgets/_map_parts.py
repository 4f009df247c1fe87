"""Colour key, hover card and gallery of a map."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPoint, QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QLabel, QListView, QListWidget, QListWidgetItem, QSizePolicy, QVBoxLayout, QWidget

from napari_visualccc.maps.colouring import Colouring, hex_of
from napari_visualccc.widgets._parts import window_of

_THUMBNAIL = 120
_ICON = 64
_GAP = 16
# More icons than anybody looks through would take seconds to draw.
MOST_ICONS = 200


def pixmap_of(thumbnail: NDArray[np.uint8], size: int) -> QPixmap:
    """Thumbnail as a picture of so many pixels."""
    values = np.ascontiguousarray(thumbnail)
    image = QImage(values.data, values.shape[1], values.shape[0], values.shape[1], QImage.Format.Format_Grayscale8)
    return QPixmap.fromImage(image.copy()).scaled(
        size, size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )


class ColourKey(QLabel):
    """Colour bar with its ends, or the colours of categories."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setMinimumWidth(0)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

    def show_colours(self, colours: Colouring) -> None:
        """Explain the colours; nothing if points are all alike."""
        self.setVisible(bool(colours.title))
        if not colours.title:
            return
        grey = f'<span style="color:#999">●</span>&nbsp;{colours.missing}&nbsp;without&nbsp;a&nbsp;value'
        if colours.categories:
            entries = [
                f'<span style="color:{hex_of(rgba)}">●</span>&nbsp;{html.escape(name).replace(" ", "&nbsp;")}'
                for name, rgba in colours.categories.items()
            ]
            self.setText(" &nbsp;".join([*entries, grey] if colours.missing else entries))
            return
        cells = "".join(f'<td width="6" bgcolor="{hex_of(colours.at(i / 23))}">&nbsp;</td>' for i in range(24))
        self.setText(
            f'<table cellspacing="0" cellpadding="0"><tr><td>{colours.low:.4g}&nbsp;</td>{cells}'
            f"<td>&nbsp;{colours.high:.4g}</td></tr></table>" + (grey if colours.missing else "")
        )


class HoverCard(QWidget):
    """Thumbnail and values of what the mouse points at, beside the map so that it covers no point.

    Parameters
    ----------
    host
        Widget that it belongs to.
    """

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self._host = host
        self.setObjectName("visualccc_card")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(
            "#visualccc_card { background: rgba(20, 22, 26, 235); border: 1px solid #777; border-radius: 4px; }"
            "QLabel { color: #eee; background: transparent; }"
        )
        self._picture, self._words = QLabel(), QLabel()
        self._words.setTextFormat(Qt.TextFormat.RichText)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(5, 5, 5, 5)
        layout.setSpacing(3)
        layout.addWidget(self._picture)
        layout.addWidget(self._words)
        self.hide()

    @property
    def text(self) -> str:
        """What it says."""
        return str(self._words.text())

    def show_at(self, place: QPoint, thumbnail: NDArray[np.uint8], title: str, values: dict[str, Any]) -> None:
        """Show at the height of a place of the host, left or right of the host, wherever there is room."""
        self._picture.setPixmap(pixmap_of(thumbnail, _THUMBNAIL))
        rows = "<br>".join(f"{html.escape(name)}: {html.escape(_text(value))}" for name, value in values.items())
        self._words.setText(f"<b>{html.escape(_short(title))}</b>" + (f"<br>{rows}" if rows else ""))
        self.adjustSize()
        window = window_of(self._host)
        if self.parentWidget() is not window:
            self.setParent(window)
        left = self._host.mapTo(window, QPoint(0, 0)).x() if window.isAncestorOf(self._host) else 0
        x = left - self.width() - _GAP if left > self.width() + _GAP else left + self._host.width() + _GAP
        y = self._host.mapTo(window, place).y() - self.height() // 2 if window.isAncestorOf(self._host) else 0
        room = max(window.height() - self.height(), 0), max(window.width() - self.width(), 0)
        self.move(min(x, room[1]), min(max(y, 0), room[0]))
        self.show()
        self.raise_()


def _short(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:11]}…{text[-12:]}"


def _text(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return "–" if np.isnan(value) else f"{value:.4g}"
    return "–" if value is None else _short(str(value))


class Gallery(QListWidget):
    """Thumbnails to click on.

    Attributes
    ----------
    chosen
        Emitted with the row of the map that was clicked.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setIconSize(QSize(_ICON, _ICON))
        self.setGridSize(QSize(_ICON + 10, _ICON + 24))
        self.setUniformItemSizes(True)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setFixedHeight(2 * (_ICON + 26))
        self.setToolTip("Click a micrograph to open it")
        self.itemClicked.connect(self._clicked)

    def fill(self, thumbnails: NDArray[np.uint8], rows: Sequence[int], names: Sequence[str]) -> None:
        """Show rows of a map; beyond the first two hundred none are drawn."""
        self.clear()
        for row, name in list(zip(rows, names, strict=True))[:MOST_ICONS]:
            item = QListWidgetItem(QIcon(pixmap_of(thumbnails[row], _ICON)), name)
            item.setData(Qt.ItemDataRole.UserRole, int(row))
            item.setToolTip(name)
            self.addItem(item)

    def _clicked(self, item: QListWidgetItem) -> None:
        self.chosen.emit(int(item.data(Qt.ItemDataRole.UserRole)))
