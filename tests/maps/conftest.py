"""Small micrographs of two kinds and the map of them."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_visualccc.maps import MapOptions, build_map


def texture(width, seed, size=96):
    from scipy.ndimage import gaussian_filter

    values = gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), width)
    return (values / values.std() * 900 + 9000).astype(np.uint16)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Twenty-four textures whose width grows with their number, three to a specimen."""
    folder = tmp_path_factory.mktemp("micrographs")
    for number in range(24):
        tifffile.imwrite(folder / f"film_{number:02}.tif", texture(1 + number / 8, number))
    return folder


@pytest.fixture(scope="session")
def table():
    numbers = np.arange(24)
    return pd.DataFrame({
        "path": [f"film_{n:02}.tif" for n in numbers],
        "width": 1 + numbers / 8,
        "specimen": [f"S{n // 3}" for n in numbers],
        "kind": np.where(numbers < 12, "fine", "coarse"),
    })  # fmt: skip


@pytest.fixture(scope="session")
def made(folder, table):
    return build_map(folder, MapOptions(neighbours=6), table=table, device="cpu")
