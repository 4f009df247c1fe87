"""Chapter of the demo: spots of a spectrum, and which crystal each grain is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_visualccc.core.colours import label_colour
from napari_visualccc.core.progress import Progress
from napari_visualccc.demo.chapter import Chapter, Measurement, pictures_of
from napari_visualccc.pictures import RGB

if TYPE_CHECKING:
    from napari_visualccc.processing import LatticeMap, SpectrumResult
    from napari_visualccc.samples import Sample

_SIZE = 768
_SEED = 2


def lattice(seed: int, progress: Progress) -> Chapter:
    """Spacings and phases of an interphase, among all phases that are built in."""
    from napari_visualccc.core.scores import confusion_matrix, mean_iou
    from napari_visualccc.processing import analyse_spectrum, map_lattice
    from napari_visualccc.samples import HrtemOptions, hrtem

    sample = hrtem(HrtemOptions(size=_SIZE, seed=seed + _SEED), progress=progress.part(0, 0.2))
    sample = replace(sample, name=f"{sample.name} lattice")
    spectrum = analyse_spectrum(sample.image, pixel_size=sample.pixel_size, name=sample.name, rgb=False)
    found = map_lattice(
        sample.image, pixel_size=sample.pixel_size, name=sample.name, rgb=False, progress=progress.part(0.3, 1)
    )
    # The sample's labels: 0 vacuum and 1 amorphous count as nothing, the phases follow; any other phase comes last.
    names = list(sample.class_names.values())[2:]
    own = np.array([0, *(names.index(n) + 2 if n in names else len(names) + 2 for n in found.phase_names)])
    seen, true = own[found.phase], np.where(sample.labels >= 2, sample.labels, 0)
    table = confusion_matrix(true, seen, len(names) + 3)
    there = [0, *range(2, len(names) + 2)]
    right, count, spacings = _grains(sample, found)
    measured = [
        Measurement(f"{sample.name}: share of grains named rightly", right / max(count, 1), 1.0),
        Measurement(f"{sample.name}: mean IoU of four phases and the rest", mean_iou(table[np.ix_(there, there)]), 1.0),
        *spacings,
    ]
    text = (
        f"Spectrum of the whole image: {len(spectrum.peaks)} spots, those of one crystal circled alike. Each grain is "
        "compared with eight built-in phases by spacings and angles; nothing is trained."
    )
    colours = {label: sample.colours.get(label, (0.6, 0.6, 0.6, 1.0)) for label in range(2, len(names) + 3)}
    pictures = pictures_of(sample, "phases by lattice", seen, colours, spectrum=_picture(spectrum))
    columns = ["label", "phase", "probability", "zone", "d_nm", "orientation_deg", "spots", "area_nm2"]
    return Chapter(
        "Crystals by their lattice", text, sample, found, pictures, measured, found.table[columns], "Crystals found"
    )


def _picture(result: SpectrumResult) -> RGB:
    """Spectrum as far as its spots reach, spots of each crystal circled in a colour of their own."""
    from PIL import Image, ImageDraw

    from napari_visualccc.processing.spectrum_picture import spectrum_picture

    grey, fold = spectrum_picture(result.spectrum)
    image = Image.fromarray(np.stack([grey] * 3, -1))
    draw = ImageDraw.Draw(image)
    circled = {spot: number for number, one in enumerate(result.crystals, start=1) for spot in one.spots}
    middle = np.array(result.spectrum.centre)
    radius, reach = max(4, len(grey) // 80), 0.0
    for spot, place in enumerate(result.peaks.place):
        colour = tuple(round(255 * v) for v in label_colour(circled[spot])[:3]) if spot in circled else (255, 255, 255)
        reach = max(reach, float(np.abs(place - middle).max()) / fold)
        for y, x in (place / fold, (2 * middle - place) / fold):
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=2)
    row, column = middle / fold
    reach = min(1.2 * reach or row, row, column)
    corners = (column - reach, row - reach, column + reach, row + reach)
    return np.asarray(image.crop(tuple(round(one) for one in corners)))


def _grains(sample: Sample, found: LatticeMap) -> tuple[int, int, list[Measurement]]:
    """Grains of the right phase, all grains, and the spacing of the strongest fringes of the largest of each phase."""
    from scipy.ndimage import label

    right = count = 0
    spacings = {}
    for value, name in list(sample.class_names.items())[2:]:
        parts, number = label(sample.labels[0] == value)
        sizes = np.bincount(parts.ravel(), minlength=number + 1)
        for part in sorted(range(1, number + 1), key=lambda n: sizes[n]):
            grains = found.grains[0][parts == part]
            count += 1
            if not grains.any():
                continue
            row = found.table.iloc[int(np.bincount(grains)[1:].argmax())]
            right += int(row.phase == name)
            spacings[name] = float(row.d_nm)
    known: dict[str, list[float]] = {}
    for one in sample.table.itertuples():
        known[one.phase] = known.get(one.phase, []) + one.d_spacings_nm
    measured = []
    for name, d in spacings.items():
        true = known[name][int(np.abs(np.array(known[name]) - d).argmin())]
        measured.append(Measurement(f"{sample.name}: spacing of the strongest fringes of {name} in nm", d, true))
    return right, count, measured
