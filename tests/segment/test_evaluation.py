"""Scores of segmentations against independent implementations."""

from dataclasses import replace

import numpy as np
import pytest

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import as_planes
from napari_visualccc.core.results import fingerprint
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.segment import (
    Dataset,
    PredictOptions,
    annotated,
    compare,
    compare_sets,
    dataset_of_masks,
    evaluate,
    predict,
)
from napari_visualccc.segment.boundaries import BoundaryCounts

CLASSES = tuple(ClassInfo(value, name, (0, 0, 0, 1)) for value, name in ((1, "a"), (2, "b"), (5, "c")))


def test_equal_to_scikit_learn():
    from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

    rng = np.random.default_rng(0)
    true = rng.choice([0, 1, 2, 5], (3, 40, 50))
    called = np.where(rng.random(true.shape) < 0.7, true, rng.choice([0, 1, 2, 5], true.shape))
    result = compare(true, called, CLASSES)
    keep = (true > 0) & (called > 0)
    t, c = true[keep], called[keep]
    np.testing.assert_array_equal(result.confusion, confusion_matrix(t, c))
    metrics = result.metrics
    assert list(metrics["iou"].values()) == pytest.approx(jaccard_score(t, c, average=None).tolist())
    assert list(metrics["dice"].values()) == pytest.approx(f1_score(t, c, average=None).tolist())
    assert metrics["pixel_accuracy"] == pytest.approx((t == c).mean())
    assert metrics["pooled_iou"] == pytest.approx(jaccard_score(t, c, average="micro"))
    assert result.n == 3
    assert metrics["labelled_share"] == keep.mean()
    assert result.table["recall"].between(0, 1).all()


def test_scores_of_strokes_are_called_so():
    true = np.ones((40, 50), np.uint8)
    true[:20] = 2
    assert not compare(true, true, CLASSES).notes
    true[5:35] = 0
    assert "only 25 % of the area has labels" in compare(true, true, CLASSES).notes[0]


def test_two_annotators_are_compared_both_ways_alike():
    rng = np.random.default_rng(1)
    first, second = rng.choice([0, 1, 2], (2, 30, 30))
    there, back = compare(first, second, CLASSES), compare(second, first, CLASSES)
    assert there.metrics["iou"]["a"] == back.metrics["iou"]["a"]
    np.testing.assert_allclose(there.boundary, back.boundary)


def test_boundary_f1_of_a_shifted_edge():
    true = np.zeros((40, 40), np.uint8)
    true[:, 20:] = 1
    for shift, tolerance, expected in ((0, 0.5, 1), (3, 2.9, 0), (3, 3.0, 1), (3, 7.4, 0), (3, 7.5, 1)):
        called = np.roll(true, shift, 1)
        called[:, :5] = 0
        called[:, -5:] = 1
        counts = BoundaryCounts(2)
        counts.add(true, called, (1.0, 2.5) if tolerance > 5 else (1.0, 1.0), tolerance)
        assert counts.f1().tolist() == [expected, expected]


def test_boundary_f1_by_brute_force():
    rng = np.random.default_rng(2)
    true, called = rng.integers(0, 2, (2, 15, 14)).astype(np.uint8)
    counts = BoundaryCounts(2)
    counts.add(true, called, (1, 1), 1.0)

    def outline(mask):
        padded = np.pad(mask, 1, mode="edge")
        return {
            (y, x) for y, x in np.argwhere(mask)
            if min(padded[y, x + 1], padded[y + 2, x + 1], padded[y + 1, x], padded[y + 1, x + 2]) == 0
        }  # fmt: skip

    def met(ours, theirs):
        return sum(any((y - v) ** 2 + (x - u) ** 2 <= 1 for v, u in theirs) for y, x in ours) / len(ours)

    for label in (0, 1):
        ours, theirs = outline(called == label), outline(true == label)
        p, r = met(ours, theirs), met(theirs, ours)
        assert counts.f1()[label] == pytest.approx(2 * p * r / (p + r))


def test_an_absent_class_has_no_score():
    counts = BoundaryCounts(2)
    counts.add(np.zeros((9, 9), np.uint8), np.zeros((9, 9), np.uint8), (1, 1), 2)
    assert np.isnan(counts.f1()).all()


def test_tolerance_is_in_physical_units():
    true = np.ones((30, 30), int)
    true[:, 15:] = 2
    called = np.roll(true, 4, 1)
    called[:, :4] = 1
    close = compare(true, called, CLASSES[:2], pixel_size=PixelSize(0.5, 0.5, "nm"), tolerance=2.0)
    far = compare(true, called, CLASSES[:2], pixel_size=PixelSize(0.5, 0.5, "nm"), tolerance=1.9)
    assert close.metrics["boundary_f1"]["a"] == 1
    assert far.metrics["boundary_f1"]["a"] == 0
    assert close.metrics["boundary_unit"] == "nm"


@pytest.mark.parametrize("pixel", [0.1, 0.15, 0.35, 0.7])
@pytest.mark.parametrize("shift", range(1, 8))
def test_an_outline_just_within_the_tolerance_is_met(pixel, shift):
    true, called = np.ones((2, 40, 40), int)
    true[:, 20:], called[:, 20 + shift :] = 2, 2
    tolerance = float(f"{pixel * shift:.6g}")  # as one types it: 0.3, where 3 × 0.1 is 0.30000000000000004
    found = compare(true, called, CLASSES[:2], pixel_size=PixelSize(pixel, pixel, "nm"), tolerance=tolerance)
    assert found.boundary.tolist() == [1, 1]


@pytest.mark.parametrize("tolerance", [0, -1, np.nan, np.inf])
def test_no_distance_to_meet_outlines_in(tolerance):
    with pytest.raises(OptionError, match="above 0"):
        compare(np.array([[1, 2]]), np.array([[1, 2]]), CLASSES[:2], tolerance=tolerance)


def test_two_pixels_of_images_of_different_magnification_are_no_length():
    labels = np.repeat([1, 2], 20)[None].repeat(9, 0)
    pairs = [annotated(labels, labels, pixel_size=PixelSize(size, size, "nm")) for size in (1, 10)]
    found = compare_sets(pairs)
    assert (found.tolerance, found.unit) == (2, "px")
    found = compare_sets(pairs, tolerance=5)
    assert (found.tolerance, found.unit, found.notes) == (5, "nm", ())
    found = compare_sets([pairs[0], annotated(labels, labels)], tolerance=5)
    assert (found.tolerance, found.unit) == (5, "px")
    assert found.notes == ("the tolerance of outlines was taken as 5 px: not all images have a pixel size in one unit",)


def test_nothing_in_common_is_said():
    with pytest.raises(InputError, match="nothing to compare"):
        compare(np.array([[1, 0]]), np.array([[0, 2]]), CLASSES)
    with pytest.raises(InputError, match="shape"):
        compare(np.ones((2, 2), int), np.ones((2, 3), int), CLASSES)


def test_a_model_is_measured_as_its_predictions_are(model, discs):
    items = [annotated(*discs(seed)) for seed in (30, 31)]
    dataset = dataset_of_masks(items)
    metrics = evaluate(model, dataset, device="cpu").metrics
    confusion = np.zeros((2, 2), int)
    for seed in (30, 31):
        image, mask = discs(seed)
        np.add.at(confusion, (mask.ravel(), predict(model, image).labels.ravel()), 1)
    assert metrics["confusion"] == confusion.tolist()
    assert metrics["n"] == 2
    assert metrics["iou"]["disc"] > 0.8


def test_images_learnt_from_are_told_and_count(model, discs):
    """Of images as they are, also under another name; the model has seen the seeds 0 to 3."""
    for seeds, count, words in (((0, 3), 2, "from all 2 images"), ((2, 30, 31), 1, "from 1 of the 3 images")):
        items = [annotated(*discs(seed), name="other") for seed in seeds]
        found = evaluate(model, dataset_of_masks(items), device="cpu")
        assert (found.metrics["n"], found.metrics["learnt_from"]) == (len(seeds), count)
        assert words in found.notes[0]
    new = evaluate(model, dataset_of_masks([annotated(*discs(30))]), device="cpu")
    assert (new.metrics["learnt_from"], new.notes) == (0, ())


def test_planes_of_a_stack_learnt_from_count_each(model, discs):
    stack, masks = (np.stack(one) for one in zip(*(discs(seed) for seed in (40, 41, 42)), strict=True))
    training = {"data": [{"name": "stack", "hash": fingerprint(as_planes(stack))}]}
    taught = replace(model, card=replace(model.card, training=training))
    items = [annotated(stack, masks), annotated(*discs(30))]
    assert evaluate(taught, dataset_of_masks(items), device="cpu").metrics["learnt_from"] == 3
    unknown = replace(model, card=replace(model.card, training={"data": [{"name": "stack"}]}))
    found = evaluate(unknown, dataset_of_masks(items), device="cpu")
    assert (found.metrics["learnt_from"], found.notes) == (None, ())


def test_tolerance_is_in_pixels_where_not_all_images_are_calibrated(model, discs):
    sizes = {"plain": (PixelSize(), PixelSize()), "mixed": (PixelSize(0.1, 0.1, "nm"), PixelSize())}
    found = {}
    for name, pair in sizes.items():
        items = [annotated(*discs(seed), pixel_size=size) for seed, size in zip((30, 31), pair, strict=True)]
        options = PredictOptions(rescale=False)
        found[name] = evaluate(model, dataset_of_masks(items), options, tolerance=1.0, device="cpu")
    assert found["mixed"].unit == "px"
    np.testing.assert_array_equal(found["mixed"].boundary, found["plain"].boundary)


def test_labels_that_the_model_does_not_know(model, discs):
    image, mask = discs(0)
    with pytest.raises(InputError, match="label 2"):
        evaluate(model, dataset_of_masks([annotated(image, mask * 2)]))
    ignoring = Dataset((annotated(image, mask * 2),), model.card.classes, (2,))
    assert evaluate(model, ignoring).confusion[1].sum() == 0


def test_a_pixel_that_is_called_by_an_ignored_value_is_missed(model, discs):
    image, mask = discs(30)
    called = predict(model, image, device="cpu").labels
    ignoring = Dataset((annotated(image, mask),), model.card.classes, (0,))
    found = evaluate(model, ignoring, device="cpu")
    missed, met = int(((mask == 1) & (called == 0)).sum()), int(((mask == 1) & (called == 1)).sum())
    assert missed > 0
    assert found.confusion.tolist() == [[0, 0], [missed, met]]
    metrics = found.metrics
    assert metrics["iou"]["disc"] == metrics["mean_iou"] == pytest.approx(met / (met + missed))
    assert np.isnan([metrics["iou"]["ground"], metrics["dice"]["ground"], metrics["boundary_f1"]["ground"]]).all()
    assert found.table.loc[0, ["iou", "dice", "precision", "recall"]].isna().all()
    assert metrics["labelled_share"] == pytest.approx(mask.mean())
