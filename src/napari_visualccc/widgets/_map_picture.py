"""A map as PNG at the resolution that journals ask for: the SVG figure, drawn by Qt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QByteArray
from qtpy.QtGui import QImage, QPainter
from qtpy.QtSvg import QSvgRenderer

from napari_visualccc.core.errors import OutputError
from napari_visualccc.core.files import atomic
from napari_visualccc.maps.colouring import colouring_of
from napari_visualccc.maps.export import figure_of

if TYPE_CHECKING:
    from napari_visualccc.maps import MicrographMap

# 640 units are 85 mm, a column, at 600 dots per inch then.
_SCALE = 3.2


def write_picture(made: MicrographMap, path: Path, column: str | None) -> Path:
    """Write the figure as PNG.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = figure_of(made, colouring_of(made, column), np.arange(len(made)))
    renderer = QSvgRenderer(QByteArray(text.encode()))
    image = QImage(renderer.defaultSize() * _SCALE, QImage.Format.Format_RGB32)
    image.fill(0xFFFFFFFF)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    renderer.render(painter)
    painter.end()
    with atomic(path) as temporary:
        if not image.save(str(temporary), "PNG"):
            raise OutputError(f"{path} could not be written")
    return path
