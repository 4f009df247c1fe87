"""A pipeline: steps in order, each switched on or off, as an object, as words on the command line, as a recipe file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from napari_visualccc.core.errors import FileFormatError, OptionError
from napari_visualccc.core.files import atomic
from napari_visualccc.core.params import specs
from napari_visualccc.processing.registry import step_named
from napari_visualccc.processing.step import Step

# What a recipe file calls itself, and its layout.
_KIND, _VERSION = "visualccc pipeline", 1


@dataclass(frozen=True)
class PipelineStep:
    """One step of a pipeline.

    Attributes
    ----------
    name
        Name of the step.
    options
        Its options; the defaults if None is given.
    enabled
        False leaves the step out.

    Raises
    ------
    OptionError
        If there is no step of that name.

    Examples
    --------
    >>> PipelineStep.parse("gaussian:sigma=1.5nm").options.sigma
    '1.5nm'
    """

    name: str
    options: Any = None
    enabled: bool = True

    def __post_init__(self) -> None:
        if self.options is None:
            object.__setattr__(self, "options", self.step.options())
        if not isinstance(self.options, self.step.options):
            raise TypeError(f"{type(self.options).__name__} are not the options of {self.name}")

    @property
    def step(self) -> Step:
        """The declaration."""
        return step_named(self.name)

    @classmethod
    def parse(cls, text: str) -> PipelineStep:
        """Read ``NAME`` or ``NAME:key=value,key=value``; a value may hold commas.

        Raises
        ------
        OptionError
            If a name, a key or a value is wrong.
        """
        name, _, rest = text.partition(":")
        name = name.strip()
        known = {spec.name: spec for spec in specs(step_named(name).options)}
        values = {}
        for part in filter(None, re.split(r",(?=\s*\w+\s*=)", rest)):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals or key not in known:
                raise OptionError(f"step {name} has no option {key!r}: it knows {', '.join(known)}")
            try:
                values[key] = known[key].parse(value)
            except OptionError as error:
                raise _of_step(name, known, error) from error
        return cls._of(name, values)

    @classmethod
    def of_dict(cls, entry: Mapping[str, Any]) -> PipelineStep:
        """Read an entry of a recipe."""
        name, values = str(entry.get("step")), dict(entry.get("options", {}))
        known = {spec.name for spec in specs(step_named(name).options)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise OptionError(f"step {name} has no option {unknown[0]!r}: it knows {', '.join(sorted(known))}")
        return replace(cls._of(name, values), enabled=bool(entry.get("enabled", True)))

    @classmethod
    def _of(cls, name: str, values: dict[str, Any]) -> PipelineStep:
        options = step_named(name).options
        try:
            return cls(name, options(**values))
        except OptionError as error:
            raise _of_step(name, {spec.name: spec for spec in specs(options)}, error) from error

    def as_dict(self) -> dict[str, Any]:
        """Entry of a recipe, in plain JSON types."""
        return {"step": self.name, "options": self.options.as_dict(), "enabled": self.enabled}

    def __str__(self) -> str:
        """The words that `parse` reads; options left at their default are left out."""
        given = [
            f"{spec.name}={spec.text(getattr(self.options, spec.name))}"
            for spec in specs(type(self.options))
            if getattr(self.options, spec.name) != spec.default
        ]
        return f"{self.name}:{','.join(given)}" if given else self.name


def _of_step(name: str, known: Mapping[str, Any], error: OptionError) -> OptionError:
    """The error in the words of a step: its options have keys, not flags."""
    words = str(error)
    for spec in known.values():
        words = words.replace(f"({spec.flag})", f"({spec.name})")
    return OptionError(f"step {name}: {words}")


@dataclass(frozen=True)
class Pipeline:
    """Steps in the order in which they are done.

    Examples
    --------
    >>> pipeline = Pipeline.parse(["median:width=5px", "otsu"])
    >>> [step.name for step in pipeline.active]
    ['median', 'otsu']
    """

    steps: tuple[PipelineStep, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Pipeline:
        """Read steps as they are given on the command line."""
        return cls(tuple(PipelineStep.parse(text) for text in texts))

    @property
    def active(self) -> tuple[PipelineStep, ...]:
        """The steps that are switched on."""
        return tuple(step for step in self.steps if step.enabled)

    def arguments(self) -> list[str]:
        """Flags of ``visualccc process`` that do the same."""
        return [word for step in self.active for word in ("--step", str(step))]

    def as_dict(self) -> dict[str, Any]:
        """Recipe in plain JSON types."""
        return {"kind": _KIND, "version": _VERSION, "steps": [step.as_dict() for step in self.steps]}

    @classmethod
    def of_dict(cls, recipe: Any) -> Pipeline:
        """Read a recipe.

        Raises
        ------
        OptionError
            If it is none, or holds a step or an option that this version does not know.
        """
        if not isinstance(recipe, dict) or recipe.get("kind") != _KIND or not isinstance(recipe.get("steps"), list):
            raise OptionError(f"this is no recipe: 'kind' must be '{_KIND}' and 'steps' a list")
        if recipe.get("version", _VERSION) > _VERSION:
            raise OptionError(f"this recipe has version {recipe['version']}; please update napari-visualccc")
        return cls(tuple(PipelineStep.of_dict(entry) for entry in recipe["steps"]))

    def save(self, path: str | Path) -> Path:
        """Write the recipe as JSON."""
        path = Path(path)
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(self.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str | Path) -> Pipeline:
        """Read a recipe file.

        Raises
        ------
        FileFormatError
            If it cannot be read or is no recipe; the words name the file.
        """
        try:
            return cls.of_dict(json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise FileFormatError(f"{path} cannot be read as a recipe: {error}") from error
        except OptionError as error:
            raise FileFormatError(f"{path}: {error}") from error
