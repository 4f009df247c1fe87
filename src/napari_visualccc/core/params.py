"""One declaration of an option drives the widget's control, the command-line flag, the tooltip and the docs.

Examples
--------
>>> @dataclass(frozen=True)
... class Blur(Options):
...     sigma: float = option(1.0, label="Width", help="Standard deviation of the Gaussian.", minimum=0.0, unit="px")
>>> [spec.flag for spec in specs(Blur)]
['--sigma']
>>> Blur(sigma=-1)
Traceback (most recent call last):
...
napari_visualccc.core.errors.OptionError: Width (--sigma) must be at least 0.0, not -1
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.lengths import Length
from napari_visualccc.core.pixel_size import PIXEL

Kind = Literal["int", "float", "bool", "choice", "choices", "numbers", "text", "length"]
AUTO = "auto"


@dataclass(frozen=True)
class OptionSpec:
    """All that is known of one option.

    Attributes
    ----------
    name, kind, default
        Field name, how it is entered, and its value when nobody says anything.
    label, help
        Words for the control and for the tooltip, the help text and the docs.
    minimum, maximum, step
        Limits (inclusive) of numbers and the step of a spin box.
    unit
        Unit shown behind the number.
    choices
        Allowed values of a ``choice`` or ``choices``.
    auto
        True if the text ``"auto"`` is allowed instead of a number.
    advanced
        True if the widget folds it away.
    """

    name: str
    kind: Kind
    default: Any
    label: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    auto: bool = False
    advanced: bool = False

    @property
    def flag(self) -> str:
        """Name on the command line."""
        return "--" + self.name.replace("_", "-")

    def parse(self, text: str) -> Any:
        """Value of the option as typed on the command line or into a text field.

        Raises
        ------
        OptionError
            If the text is not such a value.
        """
        text = text.strip()
        try:
            match self.kind:
                case "int":
                    value: Any = AUTO if self.auto and text.lower() == AUTO else int(text)
                case "float":
                    value = AUTO if self.auto and text.lower() == AUTO else float(text)
                case "bool":
                    value = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                        text.lower()
                    ]
                case "choices":
                    value = tuple(part.strip() for part in text.split(",") if part.strip())
                case "numbers":
                    value = tuple(float(part) for part in text.split(",") if part.strip())
                case _:
                    value = text
        except (ValueError, KeyError) as error:
            raise OptionError(f"{self.label} ({self.flag}): {text!r} is not {self._expected()}") from error
        return self.check(value)

    def text(self, value: Any) -> str:
        """The value as it is typed on the command line."""
        if isinstance(value, tuple):
            return ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
        return f"{value:g}" if isinstance(value, float) else str(value)

    def check(self, value: Any) -> Any:
        """Give back the value in its proper type, or raise `OptionError` with what was expected."""
        if self.auto and value == AUTO:
            return value
        if self.kind in ("int", "float"):
            return self._check_number(value)
        if self.kind == "bool":
            return bool(value)
        if self.kind == "choice":
            return self._check_choice(value)
        if self.kind in ("choices", "numbers"):
            entries = (value,) if isinstance(value, str | int | float) else tuple(value)
            if not entries:
                raise OptionError(f"{self.label} ({self.flag}) must not be empty: give {self._expected()}")
            check = self._check_choice if self.kind == "choices" else self._check_number
            return tuple(check(entry) for entry in entries)
        return self._check_length(value) if self.kind == "length" else str(value)

    def _check_length(self, value: Any) -> str:
        """The length as text, ``"1.5nm"``; the limits are in pixels, other units must only be positive."""
        try:
            length = Length.parse(value)
        except OptionError as error:
            raise OptionError(f"{self.label} ({self.flag}): {error}") from error
        if length.unit == PIXEL:
            self._check_number(length.value)
        elif length.value <= 0:
            raise OptionError(f"{self.label} ({self.flag}) must be positive, not {length}")
        return str(length)

    def _check_number(self, value: Any) -> float | int:
        wrong = f"{self.label} ({self.flag}) must be"
        if isinstance(value, bool) or not hasattr(value, "__float__") or not math.isfinite(float(value)):
            raise OptionError(f"{wrong} {self._expected()}, not {value!r}")
        if self.kind == "int" and int(value) != value:
            raise OptionError(f"{wrong} a whole number, not {value}")
        if self.minimum is not None and value < self.minimum:
            raise OptionError(f"{wrong} at least {self.minimum}, not {value}")
        if self.maximum is not None and value > self.maximum:
            raise OptionError(f"{wrong} at most {self.maximum}, not {value}")
        return int(value) if self.kind == "int" else float(value)

    def _check_choice(self, value: Any) -> str:
        if str(value) not in self.choices:
            raise OptionError(f"{self.label} ({self.flag}) knows {', '.join(self.choices)}, not {str(value)!r}")
        return str(value)

    def _expected(self) -> str:
        words = {
            "int": "a whole number", "float": "a number", "bool": "true or false", "text": "a text",
            "choice": "one of " + ", ".join(self.choices), "choices": "some of " + ", ".join(self.choices),
            "numbers": "numbers separated by commas", "length": "a length such as 3px or 1.5nm",
        }[self.kind]  # fmt: skip
        return words + (" or 'auto'" if self.auto else "")


def option(default: Any, *, label: str, help: str, **limits: Any) -> Any:  # noqa: A002 - argparse's own word
    """Declare a field of an `Options` dataclass; `limits` are those of `OptionSpec`.

    The kind follows from the default (``choices`` makes it a choice); give ``kind=`` where it does not.
    """
    kind = limits.pop("kind", None) or _kind_of(default, limits.get("choices"))
    limits["choices"] = tuple(str(c) for c in limits.get("choices") or ())
    metadata = {"option": {"kind": kind, "default": default, "label": label, "help": help, **limits}}
    return field(default=default, metadata=metadata)


def _kind_of(default: Any, choices: Sequence[str] | None) -> Kind:
    if choices:
        return "choices" if isinstance(default, tuple) else "choice"
    if isinstance(default, bool):
        return "bool"
    if isinstance(default, int):
        return "int"
    if isinstance(default, float):
        return "float"
    return "numbers" if isinstance(default, tuple) else "text"


@dataclass(frozen=True)
class Options:
    """Base of a capability's options: a frozen dataclass whose fields are made by `option`.

    Raises
    ------
    OptionError
        On creation, if a value lies outside its limits.
    """

    _specs: ClassVar[tuple[OptionSpec, ...]]

    def __post_init__(self) -> None:
        for spec in specs(type(self)):
            object.__setattr__(self, spec.name, spec.check(getattr(self, spec.name)))

    def as_dict(self) -> dict[str, Any]:
        """All values in plain JSON types."""
        return {
            spec.name: list(value) if isinstance(value := getattr(self, spec.name), tuple) else value
            for spec in specs(type(self))
        }


O = TypeVar("O", bound=Options)  # noqa: E741


def specs(options: type[Options]) -> tuple[OptionSpec, ...]:
    """All options that a class declares, in order."""
    return tuple(
        OptionSpec(name=f.name, **f.metadata["option"]) for f in dataclasses.fields(options) if "option" in f.metadata
    )


def add_arguments(
    parser: argparse._ActionsContainer, options: type[Options], *, besides: type[Options] | None = None
) -> None:
    """Give the parser a flag per option; their values are read with `from_arguments`.

    Options that `besides` has too share the flag that it has got already.
    """
    known = {spec.name for spec in specs(besides)} if besides is not None else set()
    for spec in specs(options):
        if spec.name in known:
            continue
        text = spec.help + (f" Allowed: {', '.join(spec.choices)}." if spec.choices else "")
        text += f" Default: {spec.text(spec.default)}{' ' + spec.unit if spec.unit else ''}."
        if spec.kind == "bool":
            parser.add_argument(spec.flag, action=argparse.BooleanOptionalAction, default=None, help=spec.help)
        else:
            metavar = "K|auto" if spec.name == "k" else spec.kind.upper()
            parser.add_argument(spec.flag, default=None, metavar=metavar, help=text.replace("%", "%%"))


def from_arguments(options: type[O], arguments: argparse.Namespace) -> O:
    """Options from parsed flags; those not given keep their default."""
    given = {}
    for spec in specs(options):
        value = getattr(arguments, spec.name, None)
        if value is not None:
            given[spec.name] = spec.parse(value) if isinstance(value, str) else spec.check(value)
    return options(**given)


def to_arguments(options: Options) -> list[str]:
    """Flags that give these options again; defaults are left out."""
    flags: list[str] = []
    for spec in specs(type(options)):
        value = getattr(options, spec.name)
        if value == spec.default:
            continue
        if spec.kind == "bool":
            flags.append(spec.flag if value else "--no-" + spec.flag[2:])
        else:
            text = spec.text(value)
            # What begins with a dash would be taken for a flag.
            flags += [f"{spec.flag}={text}"] if text.startswith("-") else [spec.flag, text]
    return flags


def markdown_table(options: type[Options], *, key: bool = False) -> str:
    """The options as a table for the docs, with their flags, or with their names as keys of a processing step."""
    rows = [f"| control | {'key' if key else 'flag'} | default | what it does |", "|---|---|---|---|"]
    for spec in specs(options):
        default = spec.text(spec.default) + (f" {spec.unit}" if spec.unit else "")
        choices = f" One of: {', '.join(f'`{c}`' for c in spec.choices)}." if spec.choices else ""
        word = spec.name if key else spec.flag
        rows.append(f"| {spec.label} | `{word}` | {default} | {spec.help}{choices} |")
    return "\n".join(rows)
