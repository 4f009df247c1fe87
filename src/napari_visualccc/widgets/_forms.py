"""Controls for a whole options class: the form is read into the dataclass that the engine takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Generic, TypeVar

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QVBoxLayout, QWidget

from napari_visualccc.core.params import Options, OptionSpec, specs
from napari_visualccc.widgets._controls import Control, make_control, problem_of
from napari_visualccc.widgets._parts import Fold, Problem

O = TypeVar("O", bound=Options)  # noqa: E741


class OptionsForm(QWidget, Generic[O]):
    """A control per option, advanced ones folded away.

    Parameters
    ----------
    options
        Class whose fields are declared with `core.params.option`.
    special
        Makers of controls of their own, by name of the option; the others get what fits their kind.
    without
        Options that have no control here, and keep their defaults.

    Attributes
    ----------
    changed
        Emitted when any control changed.
    controls
        By name of the option.
    """

    changed = Signal()

    def __init__(
        self, options: type[O], special: Mapping[str, Callable[[OptionSpec], Control]] | None = None,
        without: Collection[str] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        self._class = options
        self._special = special or {}
        self.controls: dict[str, Control] = {}
        self._problems: dict[str, Problem] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        plain, advanced = QFormLayout(), QFormLayout()
        for form in (plain, advanced):
            form.setContentsMargins(0, 0, 0, 0)
            form.setVerticalSpacing(4)
            form.setHorizontalSpacing(6)
            form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
            form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for spec in (one for one in specs(options) if one.name not in without):
            self._add(spec, advanced if spec.advanced else plain)
        layout.addLayout(plain)
        folded = QWidget()
        folded.setLayout(advanced)
        self.advanced = Fold("More options", folded)
        self.advanced.setVisible(advanced.rowCount() > 0)
        layout.addWidget(self.advanced)

    def _add(self, spec: OptionSpec, form: QFormLayout) -> None:
        control = make_control(spec, self._special.get(spec.name))
        label = QLabel(spec.label)
        label.setToolTip(control.toolTip())
        label.setBuddy(control)
        if spec.kind == "choices":
            form.addRow(label)
            form.addRow(control)
        else:
            form.addRow(label, control)
        problem = Problem()
        form.addRow(problem)
        control.changed.connect(self.check)
        self.controls[spec.name] = control
        self._problems[spec.name] = problem

    def check(self) -> None:
        """Say anew what is wrong, and tell of the change."""
        for name, control in self.controls.items():
            words = problem_of(control)
            self._problems[name].say(words)
            if words and control.spec.advanced:
                self.advanced.set_open(True)
        self.changed.emit()

    @property
    def problem(self) -> str:
        """What is wrong with the first control that is wrong; empty if all is well."""
        return next(filter(None, map(problem_of, self.controls.values())), "")

    def values(self) -> dict[str, Any]:
        """What the controls hold, by name of the option."""
        return {name: control.value() for name, control in self.controls.items()}

    def options(self) -> O:
        """All controls as the options object.

        Raises
        ------
        OptionError
            If a control holds what cannot be; the words stand next to it as well.
        """
        return self._class(**self.values())

    def set_options(self, options: O) -> None:
        """Show these values, telling of the change once."""
        self.set_values({name: getattr(options, name) for name in self.controls})

    def set_values(self, values: dict[str, Any]) -> None:
        """Show the values of the options named, telling of the change once."""
        blocked = self.blockSignals(True)
        for name, value in values.items():
            if name in self.controls:
                self.controls[name].set_value(value)
        self.blockSignals(blocked)
        self.changed.emit()
