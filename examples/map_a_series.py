"""Lay a series of micrographs out by likeness and ask how well their look predicts a property, as a script.

    python examples/map_a_series.py [FOLDER TABLE COLUMN]

Without arguments it takes simulated porous films and the current they carry.
"""

import sys
from pathlib import Path

import tifffile

from napari_visualccc.maps import PropertyOptions, build_map, predict_property, save_map
from napari_visualccc.maps.export import export_map
from napari_visualccc.samples import PorousOptions, porous


def simulated(folder: Path) -> tuple[Path, Path, str]:
    films = porous(PorousOptions(count=24, size=192))
    folder.mkdir(exist_ok=True)
    names = [f"film_{number:02}" for number in range(len(films.image))]
    for name, image in zip(names, films.image, strict=True):
        tifffile.imwrite(folder / f"{name}.tif", image)
    films.table.assign(id=names).to_csv("films.csv", index=False)
    return folder, Path("films.csv"), "critical_current_ma_cm2"


def main(arguments: list[str]) -> None:
    folder, table, column = arguments if len(arguments) == 3 else simulated(Path("films"))
    made = build_map(folder, table=table)
    print(f"{len(made)} micrographs, trustworthiness {made.quality.trustworthiness:.2f}")
    found = predict_property(made, column, PropertyOptions(permutations=199))
    print(f"{column}: rank correlation {found.spearman:.2f}, p = {found.p_value:.3f}")
    for note in found.notes:
        print("note:", note)
    print("wrote", save_map(made, "films.map.zarr.zip"))
    print("wrote", export_map(made, Path("films.html"), column))


if __name__ == "__main__":
    main(sys.argv[1:])
