"""A map as a page that works offline, as a figure for a paper, or as a table."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.files import atomic
from napari_visualccc.maps.colouring import MISSING, NO_VALUE, Colouring, colouring_of, hex_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_visualccc.maps.files import MicrographMap

_TEMPLATE = Path(__file__).with_name("page.html")
# A sheet of thumbnails is this many wide.
_SHEET = 32
_FIGURE, _MARGIN, _LEGEND = 640, 24, 170
_BESIDE = 26  # from the figure to the words of a legend
# Of the widest usual sans-serif fonts at 13 units, bold: whoever opens the figure has whatever fonts.
_CHARACTER = 9.5


def export_map(made: MicrographMap, path: Path, column: str | None = None, rows: Sequence[int] | None = None) -> Path:
    """Write a map, or some rows of it, in the format that the file's extension says.

    Parameters
    ----------
    path
        ``.html``, ``.svg`` or ``.csv``.
    column
        Colours the points; None leaves them grey.
    rows
        Micrographs; all by default. Of SVG and HTML too.

    Raises
    ------
    OptionError
        If the extension is another, or there is no such column.
    OutputError
        If the file cannot be written.
    """
    from napari_visualccc.io.writers import write_csv

    chosen = np.arange(len(made)) if rows is None else np.asarray(rows, np.int64)
    if path.suffix.lower() == ".csv":
        return write_csv(path, made.full_table.iloc[chosen])
    colours = colouring_of(made, column)
    if path.suffix.lower() in (".html", ".htm"):
        text = page_of(made, colours, chosen)
    elif path.suffix.lower() == ".svg":
        text = figure_of(made, colours, chosen)
    else:
        raise OptionError(f"{path.name}: a map is exported as .html, .svg or .csv")
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def figure_of(made: MicrographMap, colours: Colouring, rows: NDArray[np.int64]) -> str:
    """Scatter as SVG with colour bar or legend."""
    places = _scaled(made.coordinates, _FIGURE - 2 * _MARGIN)
    radius = float(np.clip(60 / np.sqrt(max(len(rows), 1)), 1.2, 5))
    marks = [
        f'<circle cx="{places[row, 0] + _MARGIN:.1f}" cy="{places[row, 1] + _MARGIN:.1f}" r="{radius:.2f}" '
        f'fill="{hex_of(colours.rgba[row])}"><title>{html.escape(made.names[row])}</title></circle>'
        for row in rows
    ]
    width = _FIGURE + _legend_width(colours)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_FIGURE}" font-family="sans-serif" '
        f'font-size="13"><rect width="100%" height="100%" fill="white"/><g stroke="white" stroke-width="0.4">'
        f"{''.join(marks)}</g>{_legend(colours)}</svg>"
    )


def _entries(colours: Colouring) -> dict[str, NDArray[np.float64]]:
    """Colours that stand for a word: categories, and grey where there is no value."""
    return colours.categories | ({NO_VALUE: MISSING} if colours.missing else {})


def _legend_width(colours: Colouring) -> int:
    """So wide that no word is cut off."""
    if not colours.title:
        return 0
    longest = max(map(len, (colours.title, *_entries(colours))))
    return max(_LEGEND, round(_BESIDE + _CHARACTER * longest))


def _legend(colours: Colouring) -> str:
    if not colours.title:
        return ""
    x = _FIGURE + 8
    parts = [f'<text x="{x}" y="{_MARGIN + 10}" font-weight="bold">{html.escape(colours.title)}</text>']
    # below the bar, if there is one
    top = _MARGIN + (32 if colours.categories else 294)
    for number, (name, rgba) in enumerate(_entries(colours).items()):
        y = top + 20 * number
        parts.append(f'<circle cx="{x + 6}" cy="{y - 4}" r="5" fill="{hex_of(rgba)}"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{html.escape(name)}</text>')
    if colours.categories:
        return "".join(parts)
    steps = 60
    for number in range(steps):
        share = 1 - number / (steps - 1)
        y = _MARGIN + 22 + number * 4
        parts.append(f'<rect x="{x}" y="{y}" width="16" height="4.5" fill="{hex_of(colours.at(share))}"/>')
    ends = ((colours.high, 32), ((colours.low + colours.high) / 2, 146), (colours.low, 262))
    parts += [f'<text x="{x + 22}" y="{_MARGIN + y}">{value:.4g}</text>' for value, y in ends]
    return "".join(parts)


def _scaled(coordinates: NDArray[np.float32], size: float) -> NDArray[np.float64]:
    """Pixels of a square, y downwards; the aspect is kept."""
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    span = float((high - low).max()) or 1.0
    middle = (low + high) / 2
    return np.asarray((coordinates - middle) * np.array([1, -1]) / span * size + size / 2, np.float64)


def page_of(made: MicrographMap, colours: Colouring, rows: NDArray[np.int64]) -> str:
    """Page with scatter, thumbnails and values; everything is in it, nothing is loaded."""
    import imageio.v3 as iio

    thumbnails = made.thumbnails[rows]
    side = thumbnails.shape[-1]
    height = -(-len(rows) // _SHEET)
    sheet = np.zeros((max(height, 1) * _SHEET, side, side), np.uint8)
    sheet[: len(rows)] = thumbnails
    picture = sheet.reshape(-1, _SHEET, side, side).swapaxes(1, 2).reshape(-1, _SHEET * side)
    buffer = io.BytesIO()
    iio.imwrite(buffer, picture, extension=".jpg", quality=80)
    table = made.full_table.iloc[rows].drop(columns=["map_x", "map_y", "path", "plane", "duplicate_of"])
    data: dict[str, Any] = {
        "title": colours.title, "side": side, "sheet": _SHEET,
        "xy": np.round(_scaled(made.coordinates, 1000)[rows], 1).tolist(),
        "colour": [hex_of(colours.rgba[row]) for row in rows],
        "legend": {name: hex_of(rgba) for name, rgba in _entries(colours).items()},
        "bar": None if colours.categories or not colours.title else [hex_of(colours.at(i / 20)) for i in range(21)],
        "ends": [f"{colours.low:.4g}", f"{colours.high:.4g}"],
        "columns": [str(column) for column in table.columns],
        "rows": json.loads(table.to_json(orient="values", double_precision=6)),
        "image": "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode(),
    }  # fmt: skip
    about = f"{len(rows)} micrographs · {made.options.method} · {made.provenance.command}"
    # "</" would end the script early.
    said = json.dumps(data).replace("</", "<\\/")
    return _TEMPLATE.read_text(encoding="utf-8").replace("{{about}}", html.escape(about)).replace("{{data}}", said)
