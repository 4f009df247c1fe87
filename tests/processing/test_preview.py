import numpy as np
import pytest

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.processing import Pipeline, apply
from napari_visualccc.processing.preview import Previewer, contrast_limits

SIZE = PixelSize(0.5, 0.5, "nm")


@pytest.fixture
def planes(rng):
    return Planes(rng.normal(100, 10, (3, 700, 900)).astype(np.float32))


@pytest.mark.parametrize("steps", [["gaussian:sigma=2nm"], ["bin", "stretch"], ["crop:top=100nm", "median", "otsu"]])
def test_what_is_seen_is_a_part_of_the_result(planes, steps):
    pipeline = Pipeline.parse(steps)
    seen = (slice(250, 420), slice(300, 610))
    preview = Previewer().show(pipeline, planes, 1, seen, pixel_size=SIZE)
    (data,) = apply(pipeline, planes, pixel_size=SIZE).images.values()
    (top, left), (height, width) = preview.corner, preview.values.shape
    whole = data[1, top : top + height, left : left + width].compute()
    np.testing.assert_allclose(preview.values, whole, atol=1e-4)
    spacing = preview.frame.spacing[0]
    for axis in (0, 1):  # all of what is seen, as far as it is there, and little more
        start, stop = preview.origin[axis], preview.origin[axis] + preview.values.shape[axis] * spacing
        assert start <= max(seen[axis].start, preview.frame.origin[axis])
        assert stop >= seen[axis].stop
        assert stop - start <= seen[axis].stop - seen[axis].start + 3 * spacing


def test_only_what_changed_is_computed_again(planes, monkeypatch):
    from napari_visualccc.processing import denoise
    from napari_visualccc.processing.registry import STEPS

    calls = []
    original = denoise._median

    def counted(values, options, here):
        calls.append(values.shape)
        return original(values, options, here)

    monkeypatch.setitem(STEPS, "median", __import__("dataclasses").replace(STEPS["median"], run=counted))
    previewer, seen = Previewer(), (slice(0, 500), slice(0, 500))
    previewer.show(Pipeline.parse(["median", "gaussian"]), planes, 0, seen, key=1)
    before = len(calls)
    assert before
    for sigma in (2, 3, 1):
        previewer.show(Pipeline.parse(["median", f"gaussian:sigma={sigma}"]), planes, 0, seen, key=1)
    assert len(calls) <= before + 8  # a wider blur may see more blocks, not the same again
    again = len(calls)
    previewer.show(Pipeline.parse(["median", "gaussian:sigma=1"]), planes, 0, seen, key=1)
    assert len(calls) == again
    previewer.show(Pipeline.parse(["median", "gaussian:sigma=1"]), planes, 0, seen, key=2)
    assert len(calls) > again


def test_nothing_seen_nothing_shown(planes):
    pipeline = Pipeline.parse(["crop:top=0px,height=50px"])
    assert Previewer().show(pipeline, planes, 0, (slice(300, 400), slice(0, 100))) is None
    assert Previewer().show(Pipeline(), planes, 0, (slice(0, 9), slice(0, 9))) is None


def test_contrast_limits_are_never_of_no_width():
    assert contrast_limits(np.array([[1.0, 1.0]]))[1] > 1
    assert contrast_limits(np.full((3, 3), np.nan)) == (0, 1)
    low, high = contrast_limits(np.linspace(0, 100, 10_000).reshape(100, 100))
    assert (low, high) == pytest.approx((0.2, 99.8), abs=0.1)
