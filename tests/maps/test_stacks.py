import numpy as np
import tifffile

from napari_visualccc.io import read
from napari_visualccc.maps.stacks import one_stack


def test_sizes_are_joined_with_black_margins(tmp_path):
    images = {
        "a": np.full((4, 6), 3, np.uint8),
        "b": np.full((5, 2), 700, np.uint16),
        "c": np.full((4, 6), 9, np.uint8),
    }
    for name, image in images.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", image)
    tifffile.imwrite(tmp_path / "d.tif", np.zeros((30, 30, 3), np.uint8), photometric="rgb")
    signals = read(tmp_path)
    joined = one_stack(signals, "some")
    assert [one.name for one in joined] == ["some (1)", "some (2)"]
    grey = next(one for one in joined if not one.rgb)
    assert grey.data.shape == (3, 5, 6)
    assert grey.data.chunksize == (1, 5, 6)
    for name, plane in zip(grey.plane_names, np.asarray(grey.data), strict=True):
        image = images[name.removesuffix(".tif")]
        np.testing.assert_array_equal(plane[: image.shape[0], : image.shape[1]], image)
        assert plane.sum() == image.sum()
