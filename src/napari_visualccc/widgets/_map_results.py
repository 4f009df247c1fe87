"""What can be done with a map that is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QPoint, QTimer, Signal
from qtpy.QtWidgets import QFileDialog, QInputDialog

from napari_visualccc.core.errors import OptionError, VisualCCCError
from napari_visualccc.maps.colouring import colouring_of, columns_for_colour
from napari_visualccc.maps.files import MicrographMap
from napari_visualccc.maps.tables import numeric_columns
from napari_visualccc.widgets import _map_jobs as jobs
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import theme_colours
from napari_visualccc.widgets._map_panel import MapPanel
from napari_visualccc.widgets._map_parts import MOST_ICONS
from napari_visualccc.widgets._map_viewer import (
    follow_regions,
    row_shown,
    show_mosaic,
    show_regions,
    show_row,
    show_signals,
    show_stacks,
    shown_plane,
)
from napari_visualccc.widgets._map_words import answer_words, problem_details, problem_words, quality_words

if TYPE_CHECKING:
    import pandas as pd

_CARD_VALUES = 5
# Tables often have a column "label": what was measured is not to be overwritten.
LABEL = "your label"


class MapResults(QObject):
    """A map in its panel and in the viewer.

    Attributes
    ----------
    changed
        Emitted when something happened that the hint should say: the text.
    """

    changed = Signal(str)

    def __init__(self, viewer: Any, panel: MapPanel, runner: JobRunner, memory: dict[str, Any]) -> None:
        super().__init__(panel)
        self._viewer, self.panel, self._runner, self._memory = viewer, panel, runner, memory
        self.map: MicrographMap | None = memory.get("map")
        self.rows: NDArray[np.int64] = np.empty(0, np.int64)
        self._follow_later = QTimer(self)
        self._follow_later.setSingleShot(True)
        self._follow_later.setInterval(60)
        self._follow_later.timeout.connect(self.follow)
        self._connect()
        if self.map is not None:
            self.show(self.map)

    def _connect(self) -> None:
        panel = self.panel
        panel.colour_changed.connect(self.recolour)
        panel.plot.hovered.connect(self._hover)
        panel.plot.clicked.connect(self.open)
        panel.plot.selected.connect(self.select)
        panel.gallery.chosen.connect(self.open)
        panel.fit.clicked.connect(self._fit)
        panel.similar.clicked.connect(self.find_similar)
        panel.open_stack.clicked.connect(self.open_selected)
        panel.label.clicked.connect(self._ask_label)
        panel.thumbnails.clicked.connect(self.lay_out_thumbnails)
        panel.ask.clicked.connect(self.ask_property)
        panel.regions.clicked.connect(self.find_regions)
        self._viewer.layers.selection.events.active.connect(self._moved)
        self._viewer.dims.events.current_step.connect(self._moved)
        self._viewer.events.theme.connect(self._themed)

    def show(self, made: MicrographMap) -> None:
        """Show a map."""
        self.map = self._memory["map"] = made
        self.rows = np.empty(0, np.int64)
        panel = self.panel
        panel.quality.setText(quality_words(made))
        panel.problems.setText(problem_words(made))
        panel.problems.setToolTip(problem_details(made))
        panel.problems.setVisible(bool(panel.problems.text()))
        panel.set_columns(columns_for_colour(made), numeric_columns(made.table))
        panel.selection.hide()
        panel.answer.setText("")
        self._themed()
        self.recolour()
        panel.show()
        self.follow()

    def recolour(self) -> None:
        """Colour the points by the chosen column."""
        if self.map is None:
            return
        colours = colouring_of(self.map, self.panel.colour_column)
        self.panel.plot.show_points(self.map.coordinates, colours.rgba)
        self.panel.key.show_colours(colours)

    def _themed(self, event: object = None) -> None:
        self.panel.plot.set_theme(**theme_colours(self._viewer))

    def _moved(self, event: object = None) -> None:
        self._follow_later.start()

    def follow(self) -> None:
        """Ring the micrograph that the viewer shows."""
        if self.map is not None:
            follow_regions(self._viewer)
            row = row_shown(self._viewer, self.map)
            self.panel.plot.mark("current", [row] if row >= 0 else [])

    def _fit(self) -> None:
        self.panel.plot.view.getPlotItem().getViewBox().autoRange(padding=0.06)

    def _hover(self, row: int) -> None:
        if self.map is None or row < 0:
            self.panel.card.hide()
            return
        point = self.panel.plot.pixel_of(row)
        self.panel.card.show_at(
            QPoint(round(point.x()), round(point.y())), self.map.thumbnails[row], self.map.names[row], self._values(row)
        )

    def _values(self, row: int) -> dict[str, Any]:
        """Values for the card, that which colours the points first."""
        assert self.map is not None
        chosen = self.panel.colour_column
        names = [*([chosen] if chosen else []), *(c for c in self.map.table.columns if c != chosen)]
        return {name: self.map.column(name).iloc[row] for name in names[:_CARD_VALUES]}

    def open(self, row: int) -> None:
        """Bring a micrograph into view."""
        assert self.map is not None
        path = Path(self.map.entries["path"].iloc[row])
        if show_row(self._viewer, self.map, row):
            self.follow()
        elif path.is_file():
            self._runner.start(jobs.run_read, path, title=f"Open {path.name}", then=bound(self._opened, row))
        elif not self.map.entries["path"].iloc[row]:
            self.changed.emit(f"{self.map.names[row]} came from a layer that is gone: open it again under that name.")
        else:
            self.changed.emit(f"{self.map.names[row]} is not where it was: choose its folder to find the micrographs.")
            folder = QFileDialog.getExistingDirectory(self.panel, "Where are the micrographs now?")
            if folder:
                self._runner.start(jobs.run_relink, self.map, Path(folder), title="Find micrographs",
                                   then=bound(self._relinked, row))  # fmt: skip

    def _opened(self, row: int, signals: list[Any]) -> None:
        assert self.map is not None
        show_signals(self._viewer, self.map, row, signals)
        self.follow()

    def _relinked(self, row: int, found: tuple[MicrographMap, int]) -> None:
        made, count = found
        self.map = self._memory["map"] = made
        self.changed.emit(f"{count} micrographs were found by their pixels.")
        if count and Path(made.entries["path"].iloc[row]).exists():
            self.open(row)

    def select(self, rows: NDArray[np.int64]) -> None:
        """Show the encircled micrographs."""
        self.rows = np.asarray(rows, np.int64)
        self.panel.plot.mark("found", [])
        self.panel.plot.mark("selected", self.rows.tolist())
        more = f" (the first {MOST_ICONS} are shown)" if len(self.rows) > MOST_ICONS else ""
        self._fill(self.rows.tolist(), f"{len(self.rows)} encircled{more}")

    def _fill(self, rows: list[int], title: str) -> None:
        assert self.map is not None
        self.panel.selection.setVisible(bool(rows))
        self.panel.found.setText(title)
        shown = rows[:MOST_ICONS]
        self.panel.gallery.fill(self.map.thumbnails, shown, [self.map.names[row] for row in shown])

    def open_selected(self) -> None:
        """Open what the gallery is about as stacks."""
        if self.map is None or not len(self.rows):
            return
        paths = [Path(self.map.entries["path"].iloc[row]) for row in self.rows]
        there = list(dict.fromkeys(path for path in paths if path.is_file()))
        if not there:
            show_problem(OptionError("these micrographs are not where they were: click one to look for them"))
            return
        rows = self.rows.tolist()
        self._runner.start(jobs.run_open, there, f"{len(there)} of the map", title="Open micrographs",
                           then=bound(self._show_stacks, rows))  # fmt: skip

    def _show_stacks(self, rows: list[int], signals: list[Any]) -> None:
        assert self.map is not None
        show_stacks(self._viewer, signals, self.map, rows)

    def find_similar(self) -> None:
        """Ask what looks like the image in the viewer."""
        shown = shown_plane(self._viewer, self.map) if self.map is not None else None
        if self.map is None or shown is None:
            show_problem(OptionError("select an image in the layer list: what it shows is looked for"))
            return
        self._runner.start(jobs.run_similar, self.map, shown[1], title="Find alike",
                           then=bound(self._show_similar, shown[1].name))  # fmt: skip

    def _show_similar(self, name: str, found: pd.DataFrame) -> None:
        rows = [int(row) for row in found["row"]]
        self.rows = np.array(rows)
        self.panel.plot.mark("selected", [])  # what is labelled or opened now are those found
        self.panel.plot.mark("found", rows)
        self._fill(rows, f"Most like {name}, nearest first (distance {found['distance'].iloc[0]:.2f} … "
                   f"{found['distance'].iloc[-1]:.2f})")  # fmt: skip

    def _ask_label(self) -> None:
        text, ok = QInputDialog.getText(self.panel, "Label", f"Label of {len(self.rows)} micrographs:")
        if ok and text.strip():
            self.give_label(text.strip())

    def give_label(self, text: str) -> None:
        """Give the encircled micrographs a label."""
        if self.map is None:
            return
        table = self.map.table.copy()
        before = table[LABEL] if LABEL in table.columns else [None] * len(table)
        labels = np.array(list(before), object)
        labels[self.rows] = text
        table[LABEL] = labels
        self.map = self._memory["map"] = replace(self.map, table=table)
        self.panel.set_columns(columns_for_colour(self.map), numeric_columns(table))
        self.panel.colour.setCurrentText(LABEL)
        self.recolour()
        self.changed.emit(f"{len(self.rows)} micrographs are labelled '{text}'. Save the map to keep it.")

    def lay_out_thumbnails(self) -> None:
        """Make the layer of thumbnails."""
        if self.map is not None:
            self._runner.start(jobs.run_mosaic, self.map, title="Lay out thumbnails", then=self._show_mosaic)

    def _show_mosaic(self, mosaic: Any) -> None:
        assert self.map is not None
        show_mosaic(self._viewer, mosaic, self.map)

    def ask_property(self) -> None:
        """Ask how well the look predicts the chosen property."""
        if self.map is None:
            return
        try:
            options = self.panel.form.options()
        except VisualCCCError as error:
            show_problem(error)
            return
        self._runner.start(jobs.run_properties, self.map, self.panel.target.currentText(), options,
                           title="Predict property", then=self._show_answer)  # fmt: skip

    def _show_answer(self, answer: jobs.Answer) -> None:
        assert self.map is not None
        self.panel.answer.setText(answer_words(answer))
        table = self.map.table.copy()
        table["cluster"] = [f"cluster {label}" for label in answer.labels]
        predicted = np.full(len(table), np.nan)
        predicted[answer.result.table["row"]] = answer.result.table["predicted"]
        table[f"{answer.result.target} predicted"] = predicted
        self.map = self._memory["map"] = replace(self.map, table=table)
        self.panel.set_columns(columns_for_colour(self.map), numeric_columns(table))

    def find_regions(self) -> None:
        """Heatmap of the chosen property over the image in the viewer."""
        shown = shown_plane(self._viewer, self.map) if self.map is not None else None
        if self.map is None or shown is None:
            show_problem(OptionError("open a micrograph (click a point) and select it: the heatmap is laid over it"))
            return
        layer, plane = shown
        group = self.panel.form.options().group
        self._runner.start(jobs.run_regions, self.map, self.panel.target.currentText(), group, plane,
                           title="Find regions", then=bound(self._show_regions, (layer, plane)))  # fmt: skip

    def _show_regions(self, place: tuple[Any, jobs.Plane], found: tuple[Any, Any]) -> None:
        layer, plane = place
        if layer in self._viewer.layers:
            regions, provenance = found
            show_regions(self._viewer, layer, plane.place, regions, provenance)
            self.changed.emit(
                f"{regions.regressor.target} of {plane.name}: {regions.prediction:.4g} predicted, "
                f"{regions.regressor.mean:.4g} is typical. Red raises it, blue lowers it."
            )
