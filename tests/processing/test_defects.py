import numpy as np
import pytest
from scipy import ndimage

from napari_visualccc.core.planes import Planes
from napari_visualccc.processing import text
from napari_visualccc.processing.text import marks_of, overlay_mask


def test_hot_and_dead_pixels_go_and_others_stay(run, rng):
    image = rng.normal(100, 3, (80, 90))
    places = rng.permutation(80 * 90)[:40]
    hot = np.zeros(image.size, bool)
    hot[places] = True
    hot = hot.reshape(image.shape)
    wild = np.where(hot, image + rng.choice([-80, 80], image.shape), image)
    clean = run(wild, "hot_pixels")
    assert np.abs(clean[hot] - 100).max() < 15
    assert (clean[~hot] == wild[~hot].astype(np.float32)).mean() > 0.999
    bright_only = run(wild, "hot_pixels:kind=bright")
    assert bright_only.max() < 130
    assert bright_only.min() < 50


@pytest.fixture
def micrograph(rng):
    return (120 + rng.normal(0, 15, (300, 400))).clip(10, 240)


def test_information_bar(micrograph):
    picture = micrograph.copy()
    picture[265:] = 0
    picture[275:285, 30:90:3] = 255
    picture[265] = 255  # a frame around it
    mask = overlay_mask(picture, margin=0)
    assert mask[265:].all()
    assert not mask[:265].any()
    assert overlay_mask(picture[::-1], margin=0)[:35].all()
    assert overlay_mask(picture, margin=3)[262:].all()
    assert not overlay_mask(picture, bar=False, text=False).any()


def test_scale_bar_with_letters(micrograph):
    picture = micrograph.copy()
    picture[270:276, 300:380] = 255
    for x in range(310, 370, 12):
        picture[250:264, x : x + 4] = 255
    mask = overlay_mask(picture, margin=0)
    assert mask[270:276, 300:380].all()
    assert mask[252:262, 310:314].all()
    assert not mask[:200].any()
    assert mask.mean() < 0.01


@pytest.mark.parametrize("grey", [0, 255])
def test_letters_may_touch_the_scale_bar(micrograph, grey):
    picture = micrograph.copy()
    picture[270:278, 300:380] = grey
    picture[250:270, 338:342] = grey  # the tail of a µ
    picture[250:264, 320:324] = grey
    mask = overlay_mask(picture, margin=0)
    assert mask[270:278, 300:380].all()
    assert mask[252:262, 338:342].all()
    assert mask[252:262, 320:324].all()
    assert mask.mean() < 0.01


def test_scale_bar_in_a_jpeg(micrograph, tmp_path):
    import imageio.v3 as iio

    picture = ndimage.gaussian_filter(micrograph, 1)
    picture[270:280, 300:370] = 255
    picture[282:292, 310:314] = 255  # so near that JPEG rings from one to the other
    iio.imwrite(tmp_path / "scan.jpg", picture.astype(np.uint8), quality=60)
    mask = overlay_mask(iio.imread(tmp_path / "scan.jpg").astype(float))
    assert mask[270:280, 300:370].all()
    assert not mask[:240].any()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [1.5, 3, 6])
def test_a_texture_is_no_scale_bar(seed, size):
    """Nor are saturated patches of etched steel."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(480, 640)), size)
    picture = (120 + 80 * noise / noise.std()).clip(0, 255)  # a tenth is black or white
    assert overlay_mask(picture).mean() < 0.002


def test_box_with_text(micrograph):
    picture = micrograph.copy()
    picture[:40, :60] = 255
    picture[10:30, 20:24] = 0
    picture[10:30, 34:38] = 0
    mask = overlay_mask(picture, margin=0)
    assert mask[:40, :60].all()
    assert not mask[45:].any()


def test_a_dark_field_of_particles_is_left_alone(rng):
    picture = np.abs(rng.normal(0, 2, (300, 400)))
    y, x = np.mgrid[:300, :400]
    for centre in ((60, 80), (150, 200), (220, 330)):
        picture[np.hypot(y - centre[0], x - centre[1]) < 25] = 250
    assert not overlay_mask(picture).any()


def test_marks_are_left_alone_that_are_none(micrograph, monkeypatch):
    assert marks_of(Planes(micrograph)) is None
    picture = micrograph.copy()
    picture[270:276, 300:380] = 255
    stack = Planes(np.stack([micrograph, picture]))
    np.testing.assert_array_equal(marks_of(stack, 1), overlay_mask(stack.plane(1)))
    monkeypatch.setattr(text, "overlay_mask", lambda values: np.ones(values.shape, bool))
    assert marks_of(stack, 1) is None  # most of the picture would be hidden
    monkeypatch.setattr(text, "_MOST_SEARCHED", 300 * 400 - 1)
    monkeypatch.setattr(text, "overlay_mask", None)
    assert marks_of(stack, 1) is None


def test_steps_after_it_leave_it_out(run, micrograph):
    picture = micrograph.copy()
    picture[265:] = 0
    out = run(picture, "mask_text:margin=0", "gaussian:sigma=3px")
    assert np.isnan(out[265:]).all()
    assert np.abs(out[:265] - 120).max() < 12
    filled = run(picture, "mask_text:margin=0,fill=fill")
    assert np.isfinite(filled).all()
    assert filled[280:].min() > 5
