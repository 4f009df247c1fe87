"""Series of FEI/Thermo TIA: pixels lie in ``scan_1.ser``, ``scan_2.ser`` …, what they mean in ``scan.emi`` beside them.

RosettaSciIO looks for the series itself, but finds none in a folder with brackets in its name, none that end in
``.SER`` and no more than nine; and it takes the units of all series from the first.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from napari_visualccc.core.errors import FileFormatError

Raw = dict[str, Any]


def read_tia(path: Path) -> tuple[list[Raw], list[str]]:
    """Entries of a `.ser` file, or of all series of an `.emi` file, as RosettaSciIO gives them.

    Returns
    -------
    entries : list of dict
    left_out : list of str
        Series that could not be read, and why.

    Raises
    ------
    FileFormatError
        If an `.emi` has no series beside it, or none of them can be read.
    """
    if path.suffix.lower() == ".ser":
        return [_entry(path, _objects(emi_of(path)))], []
    series = series_of(path)
    if not series:
        raise FileFormatError(
            f"{path} holds settings only: the images are in {path.stem}_1.ser, which is not beside it"
        )
    objects = _objects(path)
    entries: list[Raw] = []
    problems: list[str] = []
    for one in series:
        try:
            entry = _entry(one, objects)
        except Exception as error:  # noqa: BLE001 - a damaged file may fail anywhere in a foreign reader
            problems.append(f"{one.name} ({' '.join(str(error).split())[:100]})")
            continue
        if len(series) > 1:
            entry["metadata"]["General"]["title"] = one.stem
        entries.append(entry)
    if not entries:
        raise FileFormatError(f"{path} cannot be shown: its series cannot be read: {'; '.join(problems)}")
    return entries, problems


def emi_of(series: Path) -> Path | None:
    """The `.emi` file beside a `.ser` file: of ``scan_1.ser`` it is ``scan.emi``."""
    stem, _, number = series.stem.rpartition("_")
    if not (stem and number.isdigit()):
        return None
    for suffix in (".emi", ".EMI"):
        if (series.parent / (stem + suffix)).exists():
            return series.parent / (stem + suffix)
    return None


def series_of(emi: Path) -> list[Path]:
    """The `.ser` files that belong to an `.emi` file, by number."""
    wanted = re.compile(re.escape(emi.stem) + r"_\d+\.ser", re.IGNORECASE)
    return sorted((one for one in emi.parent.iterdir() if wanted.fullmatch(one.name)), key=_number)


def _number(series: Path) -> int:
    return int(series.stem.rpartition("_")[2])


def _objects(emi: Path | None) -> list[str]:
    """What an `.emi` file says of each of its series, as XML; nothing if there is none or it is damaged."""
    if emi is None:
        return []
    from rsciio.tia._api import get_xml_info_from_emi

    try:
        return list(get_xml_info_from_emi(str(emi)))
    except ValueError:
        return []


def _entry(series: Path, objects: list[str]) -> Raw:
    from rsciio.tia._api import convert_xml_to_dict, ser_reader

    place = _number(series) - 1 if objects else 0
    # More series than descriptions: the microscope was in the same state, as far as the file tells.
    own = objects[place : place + 1] or objects[:1]
    entry: Raw = ser_reader(str(series), own or None, lazy=True)[0]
    if own:
        entry["original_metadata"] = {**entry["original_metadata"], **convert_xml_to_dict(own[0]).to_dict()}
    return entry
