"""What a user can choose about measuring segmented phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.params import Options, option

# Never a class: what many programs write where nothing is known.
NO_DATA = -1


@dataclass(frozen=True)
class MeasureOptions(Options):
    """What to measure in a label image, and how."""

    objects_of: str = option(
        "", label="Objects of",
        help="Phases whose connected patches are measured one by one: names or labels separated by commas; "
        "empty for all.",
    )  # fmt: skip
    min_size: int = option(
        0, label="Smallest object", minimum=0, maximum=10**9, unit="px",
        help="Patches smaller than this are left out of the object table and the size distribution; 0 keeps all.",
    )  # fmt: skip
    exclude_edges: bool = option(
        False, label="Leave out cut objects",
        help="Leave out objects that touch the edge of the image or ignored pixels: only a part of them is seen.",
    )  # fmt: skip
    thickness_of: str = option(
        "", label="Thickness of",
        help="Phase that forms a layer, by name or label: its thickness is measured along its length; empty for none.",
    )  # fmt: skip
    layer_includes: str = option(
        "", label="Layer includes",
        help="Other phases that count as part of the layer where its thickness is measured, such as cracks in it.",
    )  # fmt: skip
    interfaces: bool = option(
        True, label="Interfaces", help="Length of the boundaries between each two phases, and perimeter of each phase."
    )  # fmt: skip
    ignore: str = option(
        "", label="Ignore",
        help="Phases that count nowhere: names or labels separated by commas, such as 0 for unlabelled or 255; -1 "
        "never counts, nor do labels without a name where others have one.",
    )  # fmt: skip
    connectivity: str = option(
        "8", label="Connectivity", choices=("4", "8"), advanced=True,
        help="Pixels belong together if they share an edge (4), or an edge or a corner (8).",
    )  # fmt: skip
    bootstrap: int = option(
        1000, label="Resamples", minimum=0, maximum=100_000, step=100, advanced=True,
        help="How often blocks of the image are drawn anew for the 95 % intervals; 0 gives no intervals.",
    )  # fmt: skip
    block: Any = option(
        "auto", label="Block", kind="int", auto=True, minimum=1, maximum=10**6, unit="px", advanced=True,
        help="Edge of the blocks that are drawn; 'auto' makes them so large that they are nearly independent.",
    )  # fmt: skip
    seed: int = option(
        0, label="Seed", minimum=0, maximum=2**31 - 1, advanced=True, help="Same seed, same intervals."
    )  # fmt: skip

    def ignored_of(self, class_names: Mapping[int, str]) -> frozenset[int]:
        """Labels that are no class.

        Raises
        ------
        OptionError
            If one is neither a name nor a whole number.
        """
        return frozenset({NO_DATA, *find_labels(self.ignore, class_names, "--ignore")})


def split_words(text: str) -> list[str]:
    """Words of a list separated by commas, without the blanks around them."""
    return [word.strip() for word in text.split(",") if word.strip()]


def name_of(label: int, class_names: Mapping[int, str]) -> str:
    """Name of a phase; one that has none is called by its label."""
    return class_names.get(label, f"class {label}")


def find_labels(text: str, class_names: Mapping[int, str], flag: str) -> tuple[int, ...]:
    """Labels of the phases that are named in a text.

    Parameters
    ----------
    text
        Names (in any case) or labels, separated by commas. A name goes before an equal number.
    class_names
        Name per label.
    flag
        Name of the option, for the message.

    Raises
    ------
    OptionError
        If a word is neither a name nor a whole number.

    Examples
    --------
    >>> find_labels("oxide, 3", {1: "Metal", 2: "Oxide"}, "--objects-of")
    (2, 3)
    """
    found: list[int] = []
    for word in split_words(text):
        named = [label for label, name in class_names.items() if name.casefold() == word.casefold()]
        if named:
            found += named
            continue
        try:
            found.append(int(word))
        except ValueError as error:
            known = ", ".join(f"{name} ({label})" for label, name in class_names.items()) or "labels, such as 1"
            raise OptionError(f"{flag} knows no phase {word!r}: give {known}") from error
    return tuple(dict.fromkeys(found))
