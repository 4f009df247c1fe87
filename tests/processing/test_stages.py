"""What holds for every step: any image, regions equal to the whole, holes kept, clear words."""

import dask.array as da
import numpy as np
import pytest

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.processing import Pipeline, apply, read_region
from napari_visualccc.processing.apply import stage_of
from napari_visualccc.processing.registry import STEPS, groups

RNG = np.random.default_rng(0)
PLANES = RNG.normal(100, 10, (2, 64, 80)).astype(np.float32)
PLANES[:, 20:40, 20:50] += 80
ODD = {
    "uint16": PLANES.astype(np.uint16),
    "big-endian": PLANES.astype(">i4"),
    "constant": np.full((2, 20, 30), 7, np.uint8),
    "no value": np.full((2, 20, 30), np.nan),
    "inf": np.where(RNG.random(PLANES.shape) < 0.02, np.inf, PLANES),
    "tiny numbers": PLANES[0].astype(np.float64) * 1e-12,
    "bool": PLANES[0] > 120,
    "rgb": np.stack([PLANES[0]] * 3, -1).astype(np.uint8),
    "dask": da.from_array(PLANES, chunks=(1, 64, 80)),
    "4-D": PLANES[np.newaxis],
    "one row": PLANES[0, :1],
}
# These want room, and say so.
ROOMY = {"align", "bin"}


def steps_with(name):
    """The step, after a threshold if it works on labels."""
    return Pipeline.parse([name] if STEPS[name].takes != "labels" else ["otsu", name])


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", ODD)
def test_any_image(name, kind):
    image = ODD[kind]
    if kind == "one row" and name in ROOMY:
        with pytest.raises(OptionError, match="image"):
            apply(steps_with(name), image)
        return
    result = apply(steps_with(name), image, name="odd")
    (data,) = result.images.values()
    values = data.compute()
    leading = image.shape[:-3] if kind == "rgb" else image.shape[:-2]
    assert values.shape == (*leading, *result.frame.shape)
    assert values.dtype == data.dtype
    if result.frame.content == "image":
        assert values.dtype == np.float32
        assert not np.isinf(values).any()
    else:
        assert values.dtype.kind in "ui"


@pytest.mark.parametrize("name", STEPS)
def test_a_pixel_of_its_own(name):
    if name in ROOMY:
        pytest.skip("wants room, see above")
    (data,) = apply(steps_with(name), np.full((1, 1), 3, np.uint8)).images.values()
    assert np.isfinite(data.compute()).all() == (name != "glcm")  # there is no pair in it


@pytest.mark.parametrize("name", [name for name, step in STEPS.items() if step.is_local])
@pytest.mark.parametrize("holes", [False, True])
def test_a_region_is_the_region_of_the_whole(name, holes):
    image = RNG.normal(100, 20, (3, 150, 170))
    image[:, 40:90, 60:120] += 100
    image = np.where(RNG.random(image.shape) < 0.01, np.nan, image) if holes else np.rint(image).astype(np.int16)
    stage = stage_of(steps_with(name), Planes(image))
    height, width = stage.frame.shape
    whole = stage.read(1, stage.frame.whole)
    region = (slice(height // 3, 2 * height // 3), slice(width // 4, 3 * width // 4))
    part = stage.read(1, region)
    if name == "lbp":  # rounding decides between neighbours that are equal
        assert np.mean(part != whole[region]) < 0.01
    else:
        np.testing.assert_allclose(part, whole[region], rtol=1e-4, atol=1e-2 if name in ("bilateral", "nlm") else 1e-3)
    np.testing.assert_allclose(read_region(stage, 1, stage.frame.whole), whole, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("name", [n for n, s in STEPS.items() if s.keeps_holes and s.run and s.takes != "labels"])
def test_holes_stay_and_nothing_else_becomes_one(name):
    image = RNG.normal(100, 10, (40, 50))
    image[10:13, 20:22] = np.nan
    result = apply(Pipeline.parse([name]), image)
    (values,) = (data.compute() for data in result.images.values())
    if result.frame.content == "labels":
        assert (values[10:13, 20:22] == 0).all()
    elif name != "mask_text":
        np.testing.assert_array_equal(np.isnan(values), np.isnan(image))


def test_a_hole_spoils_no_neighbour(run):
    image = np.full((30, 30), 5.0)
    image[15, 15] = np.nan
    smooth = run(image, "gaussian:sigma=3px")
    np.testing.assert_allclose(smooth[~np.isnan(smooth)], 5, rtol=1e-6)


def test_planes_are_computed_when_read_and_one_by_one():
    read = []

    def load(block_info=None):
        read.append(block_info[None]["chunk-location"][0])
        return np.full((1, 8, 8), read[-1], np.float32)

    stack = da.map_blocks(load, chunks=((1,) * 5, 8, 8), dtype=np.float32, meta=np.empty((0, 0, 0), np.float32))
    result = apply(Pipeline.parse(["gaussian", "stretch"]), stack)
    read.clear()  # the fingerprint looks at pixels
    data = result.images["processed"]
    assert data.chunks[0] == (1,) * 5
    data[3].compute()
    assert set(read) == {3}


def test_huge_planes_come_in_tiles_where_steps_are_local():
    def stripes(block_id=None):
        y = np.arange(1024) + block_id[0] * 1024
        return np.broadcast_to((y % 7)[:, None], (1024, 1024)).astype(np.uint8)

    huge = da.map_blocks(stripes, chunks=((1024,) * 5, (1024,) * 5), dtype=np.uint8, meta=np.empty((0, 0), np.uint8))
    local = apply(Pipeline.parse(["gaussian", "threshold:value=3"]), huge).images["processed"]
    assert local.chunks == ((2048, 2048, 1024),) * 2
    part = local[2040:2060, 2040:2060].compute()
    np.testing.assert_array_equal(part, part[:, :1] * np.ones(20, np.uint8))
    assert apply(Pipeline.parse(["clahe"]), huge).images["processed"].chunks == ((5120,),) * 2


def test_scope_stack_measures_all_planes_together(run):
    dark, bright = np.zeros((20, 20)), np.full((20, 20), 10.0)
    dark[:, 10:], bright[:, 10:] = 10, 20
    stack = np.stack([dark, bright])
    apart = run(stack, "otsu")
    assert apart.mean(axis=(1, 2)).tolist() == [0.5, 0.5]
    together = run(stack, "stretch:low=0,high=100,scope=stack")
    assert together[0].max() == pytest.approx(0.5)
    assert together[1].min() == pytest.approx(0.5)


def test_order_of_contents_is_checked_before_any_work():
    image = np.zeros((9, 9))
    for steps, words in (
        (["watershed"], "put a threshold"),
        (["otsu", "gaussian"], "move it up"),
        (["otsu", "sauvola"], "grey values"),
    ):
        with pytest.raises(OptionError, match=words):
            apply(Pipeline.parse(steps), image, name="scan")
    assert apply(Pipeline.parse(["otsu", "morphology", "bin", "watershed"]), image).frame.content == "labels"


def test_units_are_checked_before_any_work():
    with pytest.raises(OptionError, match="scan: Gaussian blur.*no pixel size.*px"):
        apply(Pipeline.parse(["gaussian:sigma=2nm"]), np.zeros((9, 9)), name="scan")


def test_lengths_in_nm_are_lengths_in_px(run, rng):
    image = rng.normal(size=(40, 40))
    size = PixelSize(0.5, 0.5, "nm")
    np.testing.assert_array_equal(
        run(image, "gaussian:sigma=1nm", pixel_size=size), run(image, "gaussian:sigma=2px", pixel_size=size)
    )


def test_nothing_to_do_is_said():
    with pytest.raises(InputError, match="no step that is switched on"):
        apply(Pipeline(), np.zeros((4, 4)))


def test_every_step_says_what_it_is():
    for step in STEPS.values():
        assert step.help.endswith(".")
        assert step.title
    assert sum(map(len, groups().values())) == len(STEPS)
