"""`explain`: heat lies where the reason is, at the source's pixels, on a scale that says what it is."""

from copy import deepcopy
from dataclasses import replace

import dask.array as da
import numpy as np
import pandas as pd
import pytest

from napari_visualccc.classify import METHODS, ExplainOptions, explain
from napari_visualccc.classify.explanation import check_sanity
from napari_visualccc.classify.explanation_notes import Spread, notes_on, spread_of
from napari_visualccc.classify.explanation_options import OWN_SCALE
from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.layers import Placement, result_layers
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.models.windows import PlaneView, Window

QUICK = ExplainOptions(faithfulness=False, steps=8, window=12)


def quick(**words):
    return ExplainOptions(**{**QUICK.as_dict(), **words})


def centre(heat):
    """Centre of the heat above half of its peak."""
    hot = np.where(heat > 0.5 * np.nanmax(heat), heat, 0)
    y, x = np.indices(heat.shape)
    return np.array([(hot * y).sum(), (hot * x).sum()]) / hot.sum()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", [(40, 104), (61, 33)])
def test_a_single_bright_pixel_is_hot_where_it_is(spots, spot_image, method, place):
    heat = explain(spots, spot_image(*place), quick(method=method, target="spot")).heat
    assert heat.shape == (96, 150)
    # a cell is 8 pixels wide; blocks of cells, as others draw them, would lie 3.5 pixels off along both axes
    np.testing.assert_allclose(centre(heat), place, atol=2.0)


def test_blocks_would_be_off(spots, spot_image):
    """That the test above can tell: all places of a cell together are not biased."""
    places = [(40 + dy, 72 + dx) for dy in (0, 3, 6) for dx in (1, 4, 7)]
    off = [centre(explain(spots, spot_image(*p), quick(target="spot")).heat) - p for p in places]
    np.testing.assert_allclose(np.mean(off, axis=0), 0, atol=0.5)


def test_resized_cropped_and_padded_views_are_undone(spots, spot_image, with_view):
    """The network sees two overlapping crops, each resampled to another size: heat is still on the spot."""

    def view(planes, index, pixel_size):
        scale = GreyScale.of_plane(planes, index)
        boxes = ((slice(0, 96), slice(0, 100), (120, 128)), (slice(7, 96), slice(60, 150), (100, 110)))
        return PlaneView(lambda region: scale.read(planes, index, region), tuple(Window(*box) for box in boxes))

    model = with_view(spots, view)
    for place in [(40, 30), (50, 130), (64, 82)]:
        result = explain(model, spot_image(*place), quick())
        assert result.planes["class"].tolist() == ["spot"]
        np.testing.assert_allclose(centre(result.heat), place, atol=2.5)


def test_heat_of_a_segmented_class_lies_on_it(bright, blob):
    image, mask = blob
    result = explain(bright, image, QUICK)
    assert result.planes["class"].tolist() == ["bright"]  # the ground, though larger, is not what one asks about
    assert result.layer == "decoder"
    assert result.heat[mask == 1].sum() > 0.9 * result.heat.sum()
    assert explain(bright, image, quick(target="ground")).heat[mask == 1].mean() < 0.05


def test_a_region_is_asked_about(bright, blob):
    image = blob[0].copy()
    image[60:80, 10:40] += 60
    region = np.zeros(image.shape, np.uint8)
    region[60:80, 10:40] = 1
    options = quick(target="bright", method="ig")
    heat = explain(bright, image, options, region=region).heat
    assert heat[58:82, 8:42].sum() > 0.99 * heat.sum()
    both = explain(bright, image, options).heat
    assert both[20:50, 80:120].sum() > 0.3 * both.sum()
    with pytest.raises(InputError, match="region has the shape"):
        explain(bright, image, region=region[:-1])


def test_planes_without_a_pixel_of_the_class_are_told_and_not_judged(bright, blob):
    image, _ = blob
    stack = np.stack([image, np.full_like(image, 100)])
    result = explain(bright, stack, ExplainOptions(target="bright"))
    assert "no pixel is called so in 1 of 2 planes" in result.note
    assert not result.heat[1].any()
    assert result.planes["insertion_auc"].notna().tolist() == [True, False]
    alone = explain(bright, image, ExplainOptions(target="bright"))
    assert "no pixel" not in alone.note
    assert result.insertion_auc == pytest.approx(alone.insertion_auc)  # the other plane has no say
    nothing = explain(bright, stack[1], ExplainOptions(target="bright"))
    assert not nothing.trust
    assert np.isnan(nothing.insertion_auc)


def test_heat_that_hardly_bears_on_the_answer_is_told(spots, spot_image):
    """A network whose score comes from what the layer does not see: the heat is as before, the score a hundredfold."""
    image = spot_image(40, 104)
    sure = explain(spots, image, quick(target="spot"))
    assert sure.planes["total"][0] > 0.5 * sure.planes["score"][0]
    assert not any("adds up" in note for note in sure.notes)
    biased = deepcopy(spots.network)
    biased.head.bias.data += 1e4
    found = explain(replace(spots, network=biased), image, quick(target="spot"))
    np.testing.assert_allclose(found.heat, sure.heat, atol=1e-4)
    assert "all heat adds up to less than 1% of the class's score" in found.notes[0]
    assert found.summary()["notes"] == found.provenance.parameters["notes"] == list(found.notes)
    own = explain(replace(spots, network=biased), image, quick(target="spot", method="eigencam"))
    assert not any("adds up" in note for note in own.notes)  # its scale is not that of the score


def test_a_network_that_has_learnt_nothing_is_told_by_its_chances(bright, blob):
    image, _ = blob
    stack = np.stack([image, image, np.full_like(image, 100)])
    assert not explain(bright, stack, quick(target="bright")).notes
    dull = deepcopy(bright.network)
    dull.register_forward_hook(lambda _, __, scores: 0.01 * scores)
    model = replace(bright, network=dull)
    (note,) = explain(model, stack, quick(target="bright")).notes
    assert note.startswith("the network is hardly surer of the class than chance (0.5")
    assert "chance 0.50" in note
    sure_of_one = [(bright, stack[:1]), (model, stack[1:2])]
    tables = [explain(one, planes, quick(target="bright")).planes for one, planes in sure_of_one]
    (note,) = notes_on(pd.concat(tables), "hirescam", Spread(1, 1), chance=0.5)
    assert note.startswith("in 1 of 2 planes the network")
    # of what lies elsewhere it need not be sure
    assert not explain(model, image, quick(target="bright", region="everywhere")).notes
    assert not explain(model, image, quick(target="bright"), region=np.ones(image.shape, np.uint8)).notes


def test_heat_says_that_it_leaves_the_power_spectrum_out(bright, blob):
    image, _ = blob
    card = replace(bright.card, architecture={**bright.card.architecture, "lattice": True})
    model = replace(bright, card=card)
    (note,) = explain(model, image, quick(target="bright")).notes
    assert "lattice fringes" in note
    assert not explain(model, image, quick(target="bright", method="ig")).notes, "it asks about the pixels"


def test_faint_heat_is_shown_on_one_scale_of_the_stack():
    heat = np.zeros((2, 100, 100), np.float32)
    heat[0, 0, :40], heat[1, 0, :60] = 0.2, 0.1
    heat[0, 5, 5] = 1
    heat[1, 7:] = 1e-6  # dark on any scale
    assert spread_of(heat) == Spread(0.21, 101 / 20_000)
    assert spread_of(np.full((1, 5, 5), np.nan, np.float32)) == spread_of(np.zeros((1, 5, 5))) == Spread(1.0, 0.0)
    assert spread_of(np.ones((1, 5, 5))) == Spread(1.0, 1.0)


def test_a_few_very_hot_pixels_do_not_darken_the_stack(bright, blob):
    image, mask = blob
    odd = image.copy()
    odd[30:32, 100:104] = 1500
    result = explain(bright, np.stack([odd, image]), quick(target="bright"))
    usual = np.median(result.heat[1][mask == 1])
    assert usual < 0.12  # next to black on a scale up to 1
    assert usual > 0.5 * result.brightest
    assert f"colours are brightest from {result.brightest:g} on" in result.note
    assert result.layers[0].limits == (0, result.brightest)
    assert result.heat.max() == 1  # the values are as they were


def test_heat_that_is_easily_overlooked_is_told(spots, spot_image):
    result = explain(spots, spot_image(40, 100), quick(target="spot", method="ig"))
    assert result.notes == ("heat lies in less than 0.1% of the pixels only: zoom in to see it",)


def test_large_planes_in_parts_equal_the_whole(bright, monkeypatch):
    rng = np.random.default_rng(2)
    image = rng.normal(100, 5, (150, 260)).astype(np.float32)
    image[40:60, 100:160] += 60
    options = quick(target="bright", method="hirescam", region="everywhere")
    whole = explain(bright, image, options).heat
    monkeypatch.setattr("napari_visualccc.classify.explanation_task._TILE", 96)
    monkeypatch.setattr("napari_visualccc.classify.explanation_task._OVERLAP", 32)
    parts = explain(bright, image, options).heat
    assert np.corrcoef(whole.ravel(), parts.ravel())[0, 1] > 0.97


def test_an_image_at_half_the_pixel_size_is_resampled(bright, blob):
    image, mask = blob
    fine = np.kron(image, np.ones((2, 2), np.float32))
    model = replace(bright, card=replace(bright.card, pixel_size=PixelSize(2, 2, "nm")))
    heat = explain(model, fine, QUICK, pixel_size=PixelSize(1, 1, "nm")).heat
    assert heat.shape == fine.shape
    assert heat[np.kron(mask, np.ones((2, 2))) == 1].sum() > 0.9 * heat.sum()


def test_stacks_share_a_scale(spots, spot_image):
    strong, weak = spot_image(40, 100), spot_image(40, 100)
    strong[20, 30] = 900
    stack = np.stack([strong, weak, np.full_like(weak, 7)])
    result = explain(spots, stack[:, None], quick(target="spot", method="gradcam"))
    assert result.heat.shape == (3, 1, 96, 150)
    assert result.comparable
    assert result.heat.max() == 1
    peaks = result.planes["peak"].to_numpy()
    np.testing.assert_allclose(result.heat.max(axis=(1, 2, 3)), peaks / peaks.max(), rtol=1e-5)
    alone = explain(spots, stack[1], quick(target="spot"))
    np.testing.assert_allclose(
        alone.heat * alone.planes["peak"][0], result.heat[1, 0] * peaks.max(), rtol=1e-4, atol=1e-6
    )


def test_scales_that_are_each_planes_own_say_so(spots, spot_image):
    stack = np.stack([spot_image(40, 100), spot_image(50, 20)])
    for method in OWN_SCALE:
        result = explain(spots, stack, quick(method=method, target="spot"))
        assert not result.comparable
        assert "not comparable" in result.note
        np.testing.assert_allclose(result.heat.max(axis=(1, 2)), 1)
    result = explain(spots, stack, quick(scale="plane"))
    assert not result.comparable
    assert result.provenance.parameters["scale_note"] == result.note


def test_predicted_classes_differ_by_plane(spots, spot_image):
    stack = np.stack([spot_image(40, 100), np.random.default_rng(3).normal(100, 2, (96, 150))])
    result = explain(spots, stack, QUICK)
    assert result.planes["class"].tolist() == ["spot", "plain"]
    assert (result.planes["probability"] > 0.5).all()
    assert result.title == "Grad-CAM predicted class"
    assert "different classes" in result.note


def test_types_agree(spots, spot_image):
    image = np.rint(spot_image(40, 100))
    expected = explain(spots, image, QUICK).heat
    for same in (image.astype(np.float64), image.astype(">u2"), da.from_array(image, chunks=50), image * 3.5 + 11):
        np.testing.assert_allclose(explain(spots, same, QUICK).heat, expected, atol=1e-3)
    colours = np.repeat(image.astype(np.uint16)[..., None], 3, axis=-1)
    np.testing.assert_allclose(explain(spots, colours, QUICK).heat, expected, atol=1e-3)


def test_pixels_without_value_have_no_heat(spots, spot_image):
    image = spot_image(40, 100)
    image[:5] = np.nan
    heat = explain(spots, image, QUICK).heat
    assert np.isnan(heat[:5]).all()
    assert np.isfinite(heat[5:]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2)])
@pytest.mark.parametrize("method", METHODS)
def test_tiny_and_constant_images(spots, bright, shape, method):
    for model in (spots, bright):
        heat = explain(model, np.full(shape, 7, np.uint8), quick(method=method)).heat
        assert heat.shape == shape
        assert np.isfinite(heat).all()


def test_what_cannot_be_explained_is_said(spots):
    image = np.ones((40, 40))
    with pytest.raises(OptionError, match=r"no class 'dendrite': choose predicted, plain \(0\), spot \(1\)"):
        explain(spots, image, ExplainOptions(target="dendrite"))
    with pytest.raises(OptionError, match="no layer 'layer9'"):
        explain(spots, image, ExplainOptions(layer="layer9"))
    with pytest.raises(OptionError, match="knows gradcam"):
        ExplainOptions(method="magic")
    with pytest.raises(InputError, match="finite"):
        explain(spots, np.full((20, 20), np.nan))
    with pytest.raises(Cancelled):
        explain(spots, image, progress=Progress(is_cancelled=lambda: True))


def test_judgement_stands_beside_the_heat(spots, spot_image):
    stack = np.stack([spot_image(40, 100), spot_image(50, 20), spot_image(60, 70)])
    result = explain(spots, stack, ExplainOptions(target="spot", judged=2))
    assert result.planes["insertion_auc"].notna().tolist() == [True, False, True]
    assert result.insertion_auc == pytest.approx(result.planes["insertion_auc"].mean())
    # the spot is the reason: hiding it first makes the class go at once, unlike hiding pixels at random
    assert result.deletion_auc < result.trust["deletion_auc_random"] - 0.2
    assert result.deletion_auc < result.trust["deletion_auc_empty"] - 0.2


def test_layers_and_provenance(spots, spot_image):
    result = explain(spots, spot_image(40, 100), quick(method="layercam", target="1"), name="scan")
    ((data, words, kind),) = result_layers(result, Placement.of_plane("scan", PixelSize(2, 3, "nm")))
    assert (kind, words["name"], words["scale"]) == ("image", "scan · LayerCAM spot", (2, 3))
    assert words["contrast_limits"] == (0, result.brightest)
    assert data.shape == (96, 150)
    record = words["metadata"]["visualccc"]["provenance"]
    assert record["model_hash"] == "blake2b:made"
    assert record["command"].startswith("visualccc explain MODEL scan --output explained --method layercam --target 1")
    assert record["parameters"]["layer"].startswith("encoder")


def test_heat_depends_on_what_was_learnt(spots, spot_image):
    image = spot_image(40, 100)
    result = explain(spots, image, quick(target="spot"))
    table = check_sanity(spots, image, result)
    assert table["random_from"].tolist() == ["nothing", "head", "encoder.4", "encoder.2", "encoder.0"]
    assert table["rank_correlation"][0] == pytest.approx(1)
    assert table["rank_correlation"].iloc[-1] < 0.9


def test_the_check_asks_about_the_region_that_was_explained(bright, blob):
    image, mask = blob
    explained = explain(bright, image, quick(target="bright", method="ig"), region=mask)
    asked = [check_sanity(bright, image, explained, region=region) for region in (mask, 1 - mask)]
    assert asked[0]["random_from"].tolist() == asked[1]["random_from"].tolist()
    assert not np.allclose(asked[0]["rank_correlation"], asked[1]["rank_correlation"])
    with pytest.raises(InputError, match="region has the shape"):
        check_sanity(bright, image, explained, region=mask[:-1])
