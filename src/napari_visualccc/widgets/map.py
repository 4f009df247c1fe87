"""The Map widget: micrographs laid out by likeness, coloured by a property, linked to the viewer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QFileDialog, QWidget

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.maps.files import EXTENSION
from napari_visualccc.maps.options import MapOptions
from napari_visualccc.widgets import _map_jobs as jobs
from napari_visualccc.widgets._encoder_control import encoder_form
from napari_visualccc.widgets._jobs import JobRunner, show_problem
from napari_visualccc.widgets._map_export import MapExport
from napari_visualccc.widgets._map_panel import MapPanel
from napari_visualccc.widgets._map_results import MapResults
from napari_visualccc.widgets._map_source import MapSource
from napari_visualccc.widgets._parts import Fold, Hint, RunBar, column
from napari_visualccc.widgets._session import bare, remembered

if TYPE_CHECKING:
    from napari_visualccc.maps import MicrographMap


class MapWidget(QWidget):
    """Lay micrographs out by likeness; hover, open, encircle, search, and ask for a property."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = bare(napari_viewer)
        self._memory = remembered(self._viewer, "map")
        self._note = ""
        self._build()
        # Looking at thousands of micrographs takes minutes: closing the dock must not lose it.
        self.runner = JobRunner(self, while_hidden=True)
        self.results = MapResults(self._viewer, self.panel, self.runner, self._memory)
        self.files = MapExport(self.results, self.panel)
        self._restore()
        self._connect()
        self._refresh()

    def _build(self) -> None:
        self.hint = Hint()
        self.source = MapSource(self._viewer)
        self.form = encoder_form(MapOptions)
        self.options_fold = Fold("Layout and encoder", self.form)
        self.run_bar = RunBar("Make map", "Look at all micrographs and lay them out by likeness")
        self.panel = MapPanel()
        self.panel.hide()
        column(self, self.hint, self.source, self.options_fold, self.run_bar, self.panel)

    def _connect(self) -> None:
        self.source.changed.connect(self._source_changed)
        self.source.open_clicked.connect(self._ask_map)
        self.form.changed.connect(self._changed)
        self.run_bar.run_clicked.connect(self.run)
        self.run_bar.follow(self.runner)
        self.runner.started.connect(self._job_started)
        self.runner.finished.connect(self._job_finished)
        self.runner.cancelled.connect(self._job_cancelled)
        self.runner.failed.connect(self._job_failed)
        self.results.changed.connect(self._say)
        self._viewer.layers.events.removed.connect(self._layer_removed)

    def _restore(self) -> None:
        memory = self._memory
        if "options" in memory:
            self.form.set_values(memory["options"])
        if memory.get("folder"):
            self.source.take_folder(memory["folder"])
        if memory.get("table"):
            self.source.take_table(memory["table"])

    def _source_changed(self) -> None:
        self._memory.update(folder=self.source.folder, table=self.source.table)
        self._changed()

    def _changed(self, event: object = None) -> None:
        self._note = ""
        if not self.form.problem:
            options = self.form.options()
            self._memory["options"] = {name: getattr(options, name) for name in self.form.controls}
        self._refresh()

    def _layer_removed(self, event: object = None) -> None:
        self.source.refresh()
        self._changed()

    def _say(self, text: str) -> None:
        self._note = text
        self._refresh()

    def _refresh(self) -> None:
        ready = not self.source.problem and not self.form.problem
        self.run_bar.button.setEnabled(ready or self.runner.is_running)
        self.hint.setText(self._next_step())

    def _next_step(self) -> str:
        if self.runner.is_running:
            return "Working … the viewer stays usable; what was looked at once is remembered."
        if self._note:
            return self._note
        if self.form.problem:
            return "Mend what is marked ⚠ below, then press Make map."
        if self.results.map is not None:
            return "Point at a micrograph to see it, click to open it. Shift+drag encircles many; the wheel zooms."
        if self.source.problem:
            return "Choose a folder of micrographs, or a stack in the viewer. A table of properties is optional."
        return "Press Make map. With a table (CSV or XLSX) the points can be coloured by what was measured."

    def run(self) -> None:
        """Make the map."""
        try:
            source, options = self.source.value(), self.form.options()
        except VisualCCCError as error:
            show_problem(error)
            return
        self.runner.start(jobs.run_build, source, self.source.table, options, title=f"Map {self.source.title}",
                          then=self._show)  # fmt: skip

    def open_map(self, path: Path) -> None:
        """Open a map that was saved."""
        self.runner.start(jobs.run_load, path, title="Open map", then=self._show)

    def _show(self, made: MicrographMap) -> None:
        self.results.show(made)

    def _ask_map(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open map", "", f"Map (*{EXTENSION});;All files (*)")
        if path:
            self.open_map(Path(path))

    def _job_started(self, title: str) -> None:
        self._note = ""
        self._refresh()

    def _job_finished(self) -> None:
        self._refresh()

    def _job_failed(self, error: BaseException) -> None:
        if isinstance(error, VisualCCCError):
            self._note = f"⚠ {str(error)[:1].upper()}{str(error)[1:]}"

    def _job_cancelled(self) -> None:
        self._note = "Cancelled. What was looked at is remembered: the next run goes on from there."
