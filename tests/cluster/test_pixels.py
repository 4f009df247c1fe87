import dask.array as da
import numpy as np
import pytest

from napari_visualccc.cluster import (
    ClusterOptions,
    FeatureStore,
    apply_clusters,
    cluster_pixels,
    fit_clusters,
    sampling,
)
from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress

RNG = np.random.default_rng(0)
TRUTH = np.kron(RNG.integers(1, 4, (6, 8)), np.ones((20, 20), int))
PHASES = np.array([0, 40, 110, 190])[TRUTH] + RNG.normal(0, 6, TRUTH.shape)
ALL = ("intensity", "gaussian", "gradient", "hessian", "structure", "local", "entropy", "position")


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "i2", "i4", "u4", "f4", "f8", "f2"])
def test_phases_are_found_dark_to_bright_in_any_type(dtype):
    image = np.clip(PHASES, 0, 255).astype(dtype)
    result = cluster_pixels(image, ClusterOptions(k=3))
    assert (result.labels == TRUTH).mean() > 0.995
    assert result.exact == (np.dtype(dtype).kind in "ui")
    assert result.labels.dtype == np.uint8


def test_signed_values_below_zero_keep_their_order():
    result = cluster_pixels((PHASES - 120).astype(np.int16), ClusterOptions(k=3))
    assert (result.labels == TRUTH).mean() > 0.995


def test_widely_spread_integers_are_clustered_by_sample():
    image = (PHASES * 1e6).astype(np.int64)
    result = cluster_pixels(image, ClusterOptions(k=3))
    assert not result.exact
    assert (result.labels == TRUTH).mean() > 0.99


@pytest.mark.parametrize("features", [(group,) for group in ALL if group != "position"] + [ALL])
def test_every_feature_set_runs_and_its_table_adds_up(features):
    result = cluster_pixels(PHASES.astype(np.float32), ClusterOptions(k=3, features=features))
    table = result.table
    assert table.pixels.sum() == PHASES.size
    assert table.area_fraction.sum() == pytest.approx(1)
    assert table.mean_intensity.is_monotonic_increasing
    for row in table.itertuples():
        member = PHASES[result.labels == row.label]
        assert row.mean_intensity == pytest.approx(member.mean(), rel=1e-4)
        assert row.std_intensity == pytest.approx(member.std(), rel=1e-3)


def test_texture_is_separated_where_intensity_cannot():
    rough = np.where(np.arange(128)[:, None] < 64, 3, 25)
    image = (100 + RNG.normal(0, 1, (128, 128)) * rough).astype(np.float32)
    truth = np.where(np.arange(128)[:, None] < 64, 1, 2) * np.ones((1, 128), int)
    labels = cluster_pixels(image, ClusterOptions(k=2, features=("local", "gradient"))).labels
    agreement = (labels == truth).mean()
    assert max(agreement, 1 - agreement) > 0.95


def test_areas_are_physical():
    result = cluster_pixels(PHASES.astype(np.uint8), ClusterOptions(k=3), pixel_size=PixelSize(0.5, 2.0, "nm"))
    np.testing.assert_allclose(result.table.area_nm2, result.table.pixels)
    assert "area_px2" in cluster_pixels(PHASES.astype(np.uint8)).table


@pytest.mark.parametrize("features", [("intensity",), ("gaussian", "local")])
def test_a_stack_is_labelled_consistently(features):
    stack = np.stack([PHASES, PHASES[::-1], np.full_like(PHASES, 110)]).astype(np.float32)
    result = cluster_pixels(stack, ClusterOptions(k=3, features=features))
    assert result.labels.shape == stack.shape
    assert (result.labels[0] == result.labels[1][::-1]).mean() > 0.999
    assert (result.labels[2] == 2).all()


def test_lazy_and_loaded_stacks_give_the_same():
    stack = np.stack([PHASES, PHASES.T[:120, :160] if PHASES.T.shape == PHASES.shape else PHASES[::-1]])
    options = ClusterOptions(k=3, features=("intensity", "gradient"))
    loaded = cluster_pixels(stack, options)
    lazy = cluster_pixels(da.from_array(stack, chunks=(1, 50, 50)), options)
    np.testing.assert_array_equal(loaded.labels, lazy.labels)
    assert lazy.provenance.input_hash == loaded.provenance.input_hash


def test_same_seed_same_result_bit_by_bit():
    options = ClusterOptions(k=4, features=("local", "structure"), seed=5)
    first, second = (cluster_pixels(PHASES, options) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.inertia == second.inertia


@pytest.mark.parametrize("features", [("intensity",), ("gaussian",)])
def test_pixels_that_are_not_finite_stay_unlabelled(features):
    image = PHASES.astype(np.float32)
    image[5:9, 5:9] = np.nan
    image[50, 60] = np.inf
    result = cluster_pixels(image, ClusterOptions(k=3, features=features))
    assert (result.labels == 0).sum() == 17
    assert result.table.pixels.sum() == image.size - 17
    assert np.isfinite(result.table.mean_intensity).all()
    assert (result.labels == TRUTH).mean() > 0.95


@pytest.mark.parametrize("features", [("intensity",), ALL])
@pytest.mark.parametrize("image", [np.full((40, 30), 7, np.uint16), np.full((40, 30), 7.5), np.ones((1, 1), np.uint8)])
def test_a_constant_image_is_one_cluster(image, features):
    result = cluster_pixels(image, ClusterOptions(k=4, features=tuple(f for f in features if f != "position")))
    assert result.k == 1
    assert (result.labels == 1).all()
    assert result.inertia == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("features", [("intensity",), ("gaussian",)])
def test_nothing_finite_is_an_error_that_names_the_image(features):
    with pytest.raises(InputError, match="broken.dm3 has no finite pixel"):
        cluster_pixels(np.full((9, 9), np.nan), ClusterOptions(features=features), name="broken.dm3")


def test_rgb_is_clustered_by_luminance():
    grey = np.clip(PHASES, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(cluster_pixels(np.stack([grey] * 3, -1)).labels, cluster_pixels(grey).labels)


def test_fit_on_one_image_apply_to_another():
    model = fit_clusters(PHASES.astype(np.uint8), ClusterOptions(k=3))
    brighter = np.clip(PHASES[::-1] + 1, 0, 255)
    for other in (brighter.astype(np.uint8), brighter.astype(np.float32)):
        assert (apply_clusters(model, other).labels == TRUTH[::-1]).mean() > 0.99


def test_many_small_tiles_give_the_labels_of_few_large_ones(monkeypatch):
    options = ClusterOptions(k=3, features=("gaussian", "hessian"))
    model = fit_clusters(PHASES, options)
    whole = apply_clusters(model, PHASES)
    monkeypatch.setattr("napari_visualccc.cluster.labelling.FEATURE_TILE", 16)
    tiled = apply_clusters(model, PHASES)
    np.testing.assert_array_equal(whole.labels, tiled.labels)
    assert tiled.inertia == pytest.approx(whole.inertia)


def test_a_store_saves_computing_features_again_and_changes_nothing(monkeypatch):
    store = FeatureStore()
    options = ClusterOptions(k=3, features=("gaussian",))
    cluster_pixels(PHASES, options, store=store)
    calls = []
    compute = sampling.FeatureSet.compute
    monkeypatch.setattr(sampling.FeatureSet, "compute", lambda *a, **k: calls.append(1) or compute(*a, **k))
    kept = cluster_pixels(PHASES, ClusterOptions(k=4, features=("gaussian",)), store=store)
    assert calls == []
    fresh = cluster_pixels(PHASES, ClusterOptions(k=4, features=("gaussian",)))
    np.testing.assert_array_equal(kept.labels, fresh.labels)
    cluster_pixels(PHASES.copy(), options, store=store)
    assert calls


def test_too_many_features_to_keep_are_sampled_from_tiles():
    options = ClusterOptions(k=3, features=("gaussian",))
    result = cluster_pixels(PHASES, options, store=FeatureStore(max_bytes=1))
    assert (result.labels == TRUTH).mean() > 0.9


def test_specks_are_removed_when_asked():
    image = np.clip(PHASES, 0, 255).astype(np.uint8)
    image[10, 10] = 255 - image[10, 10]
    result = cluster_pixels(image, ClusterOptions(k=3, min_size=30))
    assert (result.labels == TRUTH).all()
    assert result.table.pixels.tolist() == [(label == TRUTH).sum() for label in (1, 2, 3)]


def test_auto_k_finds_the_number_of_phases():
    assert cluster_pixels(np.clip(PHASES, 0, 255).astype(np.uint8), ClusterOptions(k="auto")).k == 3


def test_provenance_repeats_the_run():
    result = cluster_pixels(PHASES, ClusterOptions(k=2, features=("gradient", "local"), seed=3), name="a b.dm3")
    record = result.provenance
    assert record.command == ("visualccc cluster 'a b.dm3' --k 2 --features gradient,local --seed 3 --output clusters")
    assert record.parameters["scales"] == [1.0, 2.0, 4.0]
    assert record.seconds > 0


def test_cancel_halfway():
    calls = []

    def cancelled():
        calls.append(1)
        return len(calls) > 10

    with pytest.raises(Cancelled):
        cluster_pixels(np.tile(PHASES, (8, 8)), ClusterOptions(features=ALL), progress=Progress(is_cancelled=cancelled))


def test_progress_ends_at_one_and_never_goes_back():
    seen = []
    progress = Progress(lambda fraction, _: seen.append(fraction))
    cluster_pixels(PHASES, ClusterOptions(k="auto", features=("local",), min_size=5), progress=progress)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_wrong_options_are_refused_before_any_work():
    for wrong in ({"k": 0}, {"k": 1000}, {"features": ("colour",)}, {"scales": (0.0,)}):
        with pytest.raises(OptionError):
            ClusterOptions(**wrong)


def test_lattices_come_apart_by_their_spacing():
    """Two lattices under noise, of the same brightness and contrast: only their spectra tell them apart."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:256, :256]
    right = x >= 128
    period = np.where(right, 10.0, 9.0)
    waves = np.cos(2 * np.pi / period * (0.8 * x + 0.6 * y)) + np.cos(2 * np.pi / period * (0.8 * y - 0.6 * x))
    image = (1000 + 40 * (waves + rng.normal(0, 1.5, x.shape))).astype(np.uint16)
    found = {}
    for features in (("lattice",), ("local", "gradient", "hessian")):
        labels = cluster_pixels(image, ClusterOptions(k=2, features=features)).labels
        same = ((labels == 2) == right).mean()
        found[features[0]] = max(same, 1 - same)
    assert found["lattice"] > 0.93
    assert found["local"] < 0.8
