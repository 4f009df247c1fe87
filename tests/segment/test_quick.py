"""Quick segmentation: from strokes to a model in a moment."""

import numpy as np
import pytest
import torch

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.segment import (
    PredictOptions,
    QuickOptions,
    QuickSegmenter,
    SegmentationModel,
    annotated,
    dataset_of_strokes,
    predict,
)


def strokes(image, mask, count=25, **words):
    painted = np.zeros(mask.shape, np.uint8)
    rng = np.random.default_rng(0)
    for label in (0, 1):
        for place in rng.permutation(np.argwhere(mask == label))[:count]:
            painted[tuple(place)] = label + 1
    return annotated(image, painted, **words)


@pytest.fixture
def item(discs):
    return strokes(*discs(0), name="scan")


def test_a_few_pixels_are_enough(item, discs):
    image, mask = discs(0)
    result = QuickSegmenter().fit(dataset_of_strokes([item], names={1: "ground", 2: "disc"}))
    assert result.pixels == 50
    assert ((predict(result.model, image).labels == 2) == mask).mean() > 0.95
    other, truth = discs(5)
    assert ((predict(result.model, 3.0 * other + 700).labels == 2) == truth).mean() > 0.93
    assert result.model.card.class_names == {1: "ground", 2: "disc"}
    assert result.provenance.command.startswith(
        "visualccc segment train --quick --images IMAGES --masks MASKS --output MODEL --strokes"
    )


def test_refreshing_equals_predicting(item):
    quick = QuickSegmenter()
    model = quick.fit(dataset_of_strokes([item])).model
    live = quick.labels(item, 0)
    assert (live == predict(model, item.image).labels).mean() > 0.995
    assert set(np.unique(live)) <= {1, 2}


def test_after_a_restart_only_the_features_are_left(item, discs, monkeypatch):
    from napari_visualccc.models.nn import pyramid

    other = strokes(*discs(7))
    quick = QuickSegmenter()
    quick.fit(dataset_of_strokes([item]))
    quick.fit(dataset_of_strokes([other]))
    quick.restart()
    monkeypatch.setattr(pyramid, "pyramid_features", lambda *_: pytest.fail("features were computed again"))
    again = quick.fit(dataset_of_strokes([item])).model.network
    monkeypatch.undo()
    fresh = QuickSegmenter().fit(dataset_of_strokes([item])).model.network
    assert torch.equal(again.first.weight, fresh.first.weight)


def test_further_strokes_use_the_kept_features(item, monkeypatch):
    from napari_visualccc.models.nn import pyramid

    quick = QuickSegmenter()
    quick.fit(dataset_of_strokes([item]))
    calls = []
    monkeypatch.setattr(pyramid, "pyramid_features", lambda *_: calls.append(1))
    item.labels.source[60, 60] = 1
    quick.fit(dataset_of_strokes([item]))
    quick.labels(item, 0)
    assert calls == []


def test_phases_that_were_exchanged_are_learnt_anew(item):
    quick = QuickSegmenter()
    quick.fit(dataset_of_strokes([item]))
    before = quick.labels(item, 0)
    painted = item.labels.source
    painted[painted > 0] = 3 - painted[painted > 0]
    quick.fit(dataset_of_strokes([item]))
    assert (quick.labels(item, 0) == 3 - before).mean() > 0.99
    fresh = QuickSegmenter().fit(dataset_of_strokes([item])).model.network
    assert torch.equal(quick._classifier.first.weight, fresh.first.weight)


def test_labels_beyond_bytes(item):
    painted = item.labels.source.astype(np.uint16)
    painted[painted == 2] = 300
    wide = annotated(item.image, painted)
    quick = QuickSegmenter()
    model = quick.fit(dataset_of_strokes([wide])).model
    assert np.unique(quick.labels(wide, 0)).tolist() == [1, 300]
    assert (quick.labels(wide, 0) == predict(model, item.image).labels).mean() > 0.995


def test_memory_is_bounded(discs, monkeypatch):
    monkeypatch.setattr("napari_visualccc.segment.quick._MOST_KEPT_BYTES", 600_000)
    quick = QuickSegmenter()
    items = [strokes(*discs(seed)) for seed in range(4)]
    quick.fit(dataset_of_strokes(items))
    assert len(quick._kept) == 1


def test_saved_and_loaded_like_any_model(item, tmp_path, discs):
    model = QuickSegmenter().fit(dataset_of_strokes([item])).model
    again = SegmentationModel.load(model.save(tmp_path / "quick.safetensors"))
    assert again.card.architecture["kind"] == "pixels"
    image, _ = discs(3)
    options = PredictOptions(tta=True, uncertainty=True)
    np.testing.assert_array_equal(predict(model, image, options).labels, predict(again, image, options).labels)
    assert (tmp_path / "quick.safetensors").stat().st_size < 30e6  # pre-trained features included


def test_tiles_hardly_matter(item, discs):
    model = QuickSegmenter().fit(dataset_of_strokes([item])).model
    image, _ = discs(4, (400, 380))
    whole = predict(model, image).labels
    tiled = predict(model, image, PredictOptions(tile=256, overlap=128)).labels
    assert (whole == tiled).mean() > 0.995


def test_stacks_and_pixel_sizes(discs):
    image, mask = discs(0)
    fine = strokes(np.kron(image, np.ones((2, 2), np.uint16)), np.kron(mask, np.ones((2, 2), np.uint8)),
                   pixel_size=PixelSize(1, 1, "nm"))  # fmt: skip
    stack = annotated(np.stack([image, image]), np.zeros((2, *mask.shape), np.uint8), pixel_size=PixelSize(2, 2, "nm"))
    quick = QuickSegmenter()
    quick.fit(dataset_of_strokes([fine, stack]))
    live = quick.labels(stack, 1)
    assert live.shape == mask.shape
    assert ((live == 2) == mask).mean() > 0.9


def test_nothing_to_learn(discs):
    image, mask = discs(0)
    dead = annotated(np.full(mask.shape, np.nan), mask + 1)
    with pytest.raises(InputError, match="at least two phases"):
        QuickSegmenter().fit(dataset_of_strokes([dead]))
    with pytest.raises(InputError, match="nothing was learnt"):
        QuickSegmenter().labels(dead, 0)


def test_cancelling(item):
    with pytest.raises(Cancelled):
        QuickSegmenter().fit(dataset_of_strokes([item]), progress=Progress(is_cancelled=lambda: True))


def test_lattices_are_told_by_their_spacing_alone(lattices, tmp_path):
    painted, (other, truth) = strokes(*lattices(0), count=200), lattices(5)
    dataset = dataset_of_strokes([painted], names={1: "wide", 2: "narrow"})
    right, looked = {}, {}
    for lattice in ("auto", "off"):
        model = QuickSegmenter(QuickOptions(lattice=lattice)).fit(dataset).model
        looked[lattice] = model.card.architecture["lattice"]
        again = SegmentationModel.load(model.save(tmp_path / "quick.safetensors"))
        right[lattice] = float(((predict(again, other).labels == 2) == truth).mean())
    assert looked == {"auto": True, "off": False}
    assert right["auto"] > 0.95
    assert right["off"] < 0.9


def test_the_power_spectrum_is_looked_at_where_most_planes_show_a_lattice(lattices, item, discs):
    lattice, other = strokes(*lattices(0)), strokes(*discs(3))
    quick = QuickSegmenter()
    for items, expected in (([item], False), ([item, lattice], True), ([item, lattice, other], False)):
        assert quick.fit(dataset_of_strokes(items)).model.card.architecture["lattice"] is expected
        assert set(np.unique(quick.labels(items[-1], 0))) <= {1, 2}
    few = QuickSegmenter(QuickOptions(levels=3, lattice="on")).fit(dataset_of_strokes([lattice])).model
    assert few.card.architecture["lattice"] is False, "three scales do not reach down to the spectra"
