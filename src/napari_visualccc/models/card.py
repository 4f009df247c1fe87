"""What a model says of itself: its task, classes, pixel size, training and quality, in plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from napari_visualccc._version import __version__
from napari_visualccc.core.colours import colours_by_name
from napari_visualccc.core.errors import ModelError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.results import Colour
from napari_visualccc.models.symmetry import SYMMETRIES

Task = Literal["segment", "classify", "encoder"]
TASKS = ("segment", "classify", "encoder")
CARD_VERSION = 1


@dataclass(frozen=True)
class ClassInfo:
    """One class of a model.

    Attributes
    ----------
    value
        Its number in label images.
    name
        Its name for people.
    colour
        RGBA in 0 … 1.
    """

    value: int
    name: str
    colour: Colour


@dataclass(frozen=True)
class ModelCard:
    """Everything about a model but its weights.

    Attributes
    ----------
    task
        ``"segment"``, ``"classify"`` or ``"encoder"``.
    architecture
        What is needed to build the network again.
    classes
        In the order of the network's outputs.
    pixel_size
        Of the images it was trained on; not calibrated if they were not, or differed without one.
    normalisation
        How grey values are scaled, in words.
    symmetry
        Views of an image that mean the same to the model, one of `napari_visualccc.models.symmetry.SYMMETRIES`.
    training
        Options, names and hashes of the data, steps, seconds, device.
    metrics
        Measured on data held out, as `evaluate` names them.
    licence
        Of the weights.
    version, created
        Of the package, and when.
    """

    task: Task
    architecture: Mapping[str, Any]
    classes: tuple[ClassInfo, ...]
    pixel_size: PixelSize = field(default_factory=PixelSize)
    normalisation: str = ""
    symmetry: str = "all"
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    licence: str = "not stated"
    version: str = __version__
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def class_names(self) -> dict[int, str]:
        """Name of each label value."""
        return {one.value: one.name for one in self.classes}

    @property
    def colours(self) -> dict[int, Colour]:
        """RGBA of each label value."""
        return {one.value: one.colour for one in self.classes}

    def in_colours(self, names: Mapping[int, str], colours: Mapping[int, Colour]) -> ModelCard:
        """The card with these colours for label values that have these names in it, too."""
        known = colours_by_name(self.class_names, names, colours)
        return replace(
            self, classes=tuple(replace(one, colour=known.get(one.value, one.colour)) for one in self.classes)
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"card": CARD_VERSION, **asdict(self)}

    def to_json(self) -> str:
        """The card as text."""
        return json.dumps(self.as_dict(), default=_plain)

    @classmethod
    def from_json(cls, text: str, source: str) -> ModelCard:
        """Read a card.

        Raises
        ------
        ModelError
            If the text is not a card, or one of a newer version of this package.
        """
        try:
            record = json.loads(text)
            version = int(record.pop("card"))
            if version > CARD_VERSION:
                raise ModelError(
                    f"{source} was made by napari-visualccc {record.get('version')}; this is {__version__}: update it"
                )
            for name in ("architecture", "training", "metrics"):
                if not isinstance(record.get(name, {}), dict):
                    raise TypeError(f"its {name} is no record")
            size = record.pop("pixel_size")
            classes = tuple(
                ClassInfo(int(one["value"]), str(one["name"]), _colour(one["colour"])) for one in record.pop("classes")
            )
            card = cls(classes=classes, pixel_size=PixelSize(size["y"], size["x"], size["unit"]), **record)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{source} has a card that cannot be read ({error}): it is damaged") from error
        if card.task not in TASKS:
            raise ModelError(f"{source} is a model for {card.task!r}, which this version does not know")
        if card.symmetry not in SYMMETRIES:
            raise ModelError(f"{source} has a card that names an unknown symmetry, {card.symmetry!r}")
        return card

    def expect(self, task: Task, source: str) -> None:
        """Raise `ModelError` if the model does something else."""
        if self.task != task:
            raise ModelError(f"{source} is a model to {self.task}, not to {task}: choose another file")


def _colour(values: Any) -> Colour:
    red, green, blue, alpha = (float(value) for value in values)
    return red, green, blue, alpha


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else str(value)
