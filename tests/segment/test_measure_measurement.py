import dask.array as da
import numpy as np
import pytest

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.segment.measure_options import MeasureOptions
from napari_visualccc.segment.measurement import measure_phases

NM = PixelSize(0.5, 0.5, "nm")
NAMES = {1: "metal", 2: "oxide", 3: "pore"}


def film():
    """Metal with an oxide layer of 12 rows and two pores."""
    labels = np.ones((60, 90), np.uint8)
    labels[20:32] = 2
    labels[45:50, 10:16] = labels[40:44, 60:70] = 3
    return labels


def test_everything_at_once():
    labels = film()
    image = labels * 10.0
    result = measure_phases(
        labels, image, MeasureOptions(thickness_of="oxide", bootstrap=200), pixel_size=NM, class_names=NAMES
    )
    phases = result.phases.set_index("class")
    assert phases.loc["oxide", "fraction"] == pytest.approx(0.2)
    assert phases.loc["pore", "area_nm2"] == 70 / 4
    assert phases.loc["oxide", "perimeter_nm"] == pytest.approx(90)
    assert (phases.fraction_low <= phases.fraction).all()
    assert (phases.fraction_high >= phases.fraction).all()
    assert result.objects["class"].tolist() == ["metal", "oxide", "metal", "pore", "pore"]
    assert result.objects.mean_intensity.tolist() == [10, 20, 10, 30, 30]
    pores = result.objects[result.objects["class"] == "pore"]
    assert sorted(pores.feret_min_nm) == pytest.approx([2, 2.5])
    assert result.sizes.set_index("class").objects.to_dict() == {"metal": 2, "oxide": 1, "pore": 2}
    pairs = {(a, b) for a, b in zip(result.interfaces.class_a, result.interfaces.class_b, strict=True)}
    assert pairs == {("metal", "oxide"), ("metal", "pore")}
    assert result.interfaces.length_nm[0] == pytest.approx(90)
    assert result.thickness_summary.mean_nm[0] == pytest.approx(6, abs=0.01)
    assert np.nanmax(result.thickness_map) == pytest.approx(6, abs=0.02)
    np.testing.assert_array_equal(np.isfinite(result.thickness_map), labels == 2)


def test_layers_and_tables_fit_together():
    result = measure_phases(film(), options=MeasureOptions(thickness_of="2"), class_names=NAMES)
    assert list(result.tables) == [
        "phases", "objects", "sizes", "interfaces", "histogram", "thickness_summary", "thickness",
    ]  # fmt: skip
    thickness, objects = result.layers
    assert (thickness.kind, thickness.title, objects.kind, objects.title) == ("image", "thickness", "labels", "objects")
    assert objects.data.shape == (60, 90)
    assert objects.table.columns[0] == "label"
    for row in objects.table.itertuples():
        assert (objects.data == row.label).sum() == row.pixels
    assert result.histogram(3).objects.sum() == 2
    assert result.histogram(scale="linear", bins=4).objects.sum() == len(result.objects)


def test_what_is_not_asked_for_is_not_there():
    result = measure_phases(film(), options=MeasureOptions(interfaces=False, objects_of="3", bootstrap=0))
    assert list(result.tables) == ["phases", "objects", "sizes", "histogram"]
    assert "perimeter_px" not in result.phases
    assert result.phases.fraction_low.isna().all()
    assert result.objects["class"].tolist() == ["class 3", "class 3"]
    assert set(np.unique(result.object_labels)) == {0, 1, 2}
    assert [layer.title for layer in result.layers] == ["objects"]


def test_uncalibrated_columns_say_pixels():
    result = measure_phases(film(), options=MeasureOptions(thickness_of="2"))
    names = [name for table in result.tables.values() for name in table.columns]
    assert {"area_px2", "equivalent_diameter_px", "length_px", "length_per_area_per_px", "thickness_px"} <= set(names)
    assert not [name for name in names if "nm" in name.split("_")]


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, ">u2", np.int64, np.uint64])
def test_labels_of_any_type(dtype):
    labels = (film() == 3).astype(dtype)
    result = measure_phases(labels)
    assert result.phases["label"].tolist() == [0, 1]
    assert result.phases.pixels.tolist() == [60 * 90 - 70, 70]


def test_labels_far_apart():
    labels = np.array([[0, 10**12], [0, 5]])
    assert measure_phases(labels).phases["label"].tolist() == [0, 5, 10**12]


def test_stacks_from_dask_are_measured_plane_by_plane():
    stack = np.stack([film(), np.ones_like(film()), film()[::-1]]).reshape(3, 1, 60, 90)
    lazy = da.from_array(stack, chunks=(1, 1, 60, 90))
    options = MeasureOptions(thickness_of="2")
    result = measure_phases(lazy, options=options, pixel_size=NM)
    assert result.object_labels.shape == result.thickness_map.shape == stack.shape
    assert result.objects.object.tolist() == list(range(1, len(result.objects) + 1))
    assert result.objects.groupby("plane").size().tolist() == [5, 1, 5]
    for row in result.objects.itertuples():
        here = result.object_labels == row.object
        assert here.sum() == row.pixels
        assert np.unique(np.nonzero(here)[0]).tolist() == [row.plane]
    single = measure_phases(film(), options=options, pixel_size=NM)
    assert result.interfaces.length_nm.tolist() == pytest.approx([2 * n for n in single.interfaces.length_nm])
    assert result.thickness_summary.plane.tolist() == ["all", "0", "1", "2"]
    assert result.phases.fraction[1] == pytest.approx(single.phases.fraction[1] * 2 / 3)


def test_cracks_that_have_a_label_can_count_as_layer():
    labels = film()
    labels[20:26, 30:60] = 3
    alone, whole = (
        measure_phases(labels, options=MeasureOptions(thickness_of="oxide", layer_includes=more), class_names=NAMES)
        for more in ("", "pore")
    )
    assert alone.thickness_summary.p5_px[0] < 8
    assert whole.thickness_summary.p5_px[0] == pytest.approx(12, abs=0.05)


def notes_of(labels, **options):
    return measure_phases(labels, options=MeasureOptions(**options), class_names=NAMES).notes


def test_why_there_is_no_layer_is_said():
    no_layer = "no layer was found: that is at least 2½ times as long as thick, and both of its faces lie in the image"
    cut = np.where(np.arange(60)[:, None] < 20, 2, 1) * np.ones((1, 90), int)
    assert notes_of(cut, thickness_of="oxide") == (no_layer,)
    assert notes_of(np.where(film() == 2, 1, film()), thickness_of="oxide") == ("no pixel belongs to oxide", no_layer)
    assert notes_of(film(), objects_of="pore,7") == ("no pixel belongs to class 7",)
    with pytest.raises(OptionError, match="oxide is ignored"):
        notes_of(film(), thickness_of="oxide", ignore="2")


def test_small_layers_are_layers():
    """The smallest size is that of objects in the table."""
    options = MeasureOptions(thickness_of="oxide", min_size=2000)
    result = measure_phases(film(), options=options, class_names=NAMES)
    assert result.thickness_summary.mean_px[0] == pytest.approx(12, abs=0.05)
    assert set(result.objects["class"]) == {"metal"}


def test_ignored_labels_count_nowhere():
    labels = film().astype(np.int16)
    labels[:10], labels[10:20] = -1, 255
    result = measure_phases(labels, options=MeasureOptions(ignore="255"))
    assert result.phases["label"].tolist() == [1, 2, 3]
    assert result.phases.pixels.sum() == 40 * 90
    assert result.objects.touches_border.tolist()[:1] == [True]
    assert (result.interfaces.label_b < 255).all()
    assert (result.object_labels[:20] == 0).all()


def test_phases_to_ignore_may_be_named():
    named, numbered = (
        measure_phases(film(), options=MeasureOptions(ignore=word), class_names=NAMES) for word in ("Pore", "3")
    )
    assert named.phases.equals(numbered.phases)
    assert named.phases["class"].tolist() == ["metal", "oxide"]


def test_labels_without_a_name_count_nowhere_where_others_have_one():
    labels = np.stack([film(), film()])
    labels[:, :, :9] = 255
    labels[1, :, 9:18] = 77
    result = measure_phases(labels, class_names=NAMES)
    assert result.phases["class"].tolist() == ["metal", "oxide", "pore"]
    assert result.phases.pixels.sum() == 60 * (81 + 72)
    assert set(result.objects["label"]) == {1, 2, 3}
    assert (result.interfaces.label_b <= 3).all()
    assert (result.object_labels[labels > 3] == 0).all()
    assert result.notes == ("15 % of the pixels have labels without a name (77, 255) and count nowhere",)
    expected = measure_phases(labels, options=MeasureOptions(ignore="77,255"), class_names=NAMES)
    assert result.phases.equals(expected.phases)
    assert expected.notes == ()
    assert measure_phases(labels).phases["label"].tolist() == [1, 2, 3, 77, 255]


@pytest.mark.parametrize("asked", [{"objects_of": "255"}, {"thickness_of": "255"},
                                   {"thickness_of": "oxide", "layer_includes": "255"}])  # fmt: skip
def test_a_label_without_a_name_counts_if_it_is_asked_for(asked):
    labels = film()
    labels[:6], labels[6:12] = 255, 77
    result = measure_phases(labels, options=MeasureOptions(**asked), class_names=NAMES)
    assert result.phases["label"].tolist() == [1, 2, 3, 255]
    assert result.phases.pixels.sum() == 54 * 90
    assert result.notes[0].startswith("10 % of the pixels have labels without a name (77)")


def test_nothing_that_has_a_name_is_there():
    with pytest.raises(InputError, match=r"no phase: all its labels are ignored or have no name \(1, 2, 3\)"):
        measure_phases(film(), class_names={9: "rust"})


def test_planes_without_any_phase():
    stack = np.stack([np.full((60, 90), -1), film()]).astype(np.int16)
    result = measure_phases(stack, stack.astype(float), MeasureOptions(thickness_of="2"))
    assert result.objects.plane.unique().tolist() == [1]
    assert result.phases.pixels.sum() == 60 * 90
    assert np.isnan(result.thickness_map[0]).all()


@pytest.mark.parametrize("labels", [np.zeros((1, 1), int), np.zeros((1, 7), int), np.ones((40, 40), int)])
def test_small_and_constant_labels(labels):
    result = measure_phases(labels, options=MeasureOptions(thickness_of=str(labels.flat[0])))
    assert result.phases.fraction.tolist() == [1]
    assert len(result.objects) == 1
    assert result.interfaces.empty
    assert result.thickness.empty
    assert result.thickness_summary.n.tolist() == [0]


def test_nothing_wanted_is_found():
    result = measure_phases(film(), options=MeasureOptions(objects_of="77", min_size=3, thickness_of="77"))
    assert result.objects.empty
    assert result.sizes.empty
    assert "d50_area_px" in result.sizes
    assert result.histogram().empty
    assert result.thickness.empty


def test_wrong_labels_are_refused():
    with pytest.raises(InputError, match="whole numbers.*float64"):
        measure_phases(np.zeros((4, 4)))
    with pytest.raises(InputError, match="at least two axes"):
        measure_phases(np.zeros(4, int))
    with pytest.raises(InputError, match="empty"):
        measure_phases(np.zeros((0, 4), int))
    with pytest.raises(InputError, match="negative label -7"):
        measure_phases(np.array([[-7, 1], [2, 3]]))
    with pytest.raises(InputError, match="no phase"):
        measure_phases(np.full((4, 4), 255), options=MeasureOptions(ignore="255"))


def test_a_label_beyond_all_numbers_is_refused():
    with pytest.raises(InputError, match="too large"):
        measure_phases(np.array([[3, 2**64 - 5]], np.uint64))


def test_an_image_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"image of shape \(1, 5, 4\).*labels of shape \(1, 4, 4\)"):
        measure_phases(np.zeros((4, 4), int), np.zeros((5, 4)))


def test_phases_that_do_not_exist_are_refused():
    for options in (MeasureOptions(objects_of="rust"), MeasureOptions(thickness_of="rust")):
        with pytest.raises(OptionError, match="rust"):
            measure_phases(film(), options=options, class_names=NAMES)
    with pytest.raises(OptionError, match="one phase"):
        measure_phases(film(), options=MeasureOptions(thickness_of="1,2"))


def test_progress_goes_up_and_cancels():
    seen = []
    measure_phases(
        np.stack([film()] * 3),
        options=MeasureOptions(thickness_of="2"),
        progress=Progress(lambda fraction, _: seen.append(fraction)),
    )
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 1)
    with pytest.raises(Cancelled):
        measure_phases(film(), progress=Progress(is_cancelled=lambda: True))


def test_looking_for_enclosed_phases_is_cancelled_within_one():
    cracked = np.ones((60, 200), np.uint8)
    cracked[20:32] = 2
    cracked[20:32, 50:54] = 3
    options, told = MeasureOptions(thickness_of="2"), []
    result = measure_phases(cracked, options=options, progress=Progress(lambda *report: told.append(report)))
    assert "'class 3' lies within" in result.notes[0]
    within = next(number for number, (fraction, _) in enumerate(told) if 0.9 < fraction < 1)
    assert told[within][1] == told[within + 1][1] == "measuring thickness"
    reached = []
    progress = Progress(lambda *report: reached.append(report), lambda: len(reached) > within)
    with pytest.raises(Cancelled):
        measure_phases(cracked, options=options, progress=progress)
    assert reached == told[: within + 1]


def test_the_record_repeats_the_measurement():
    options = MeasureOptions(min_size=5, ignore="0,255", seed=3)
    record = measure_phases(film(), options=options, name="film.tif", class_names={1: "Li", 2: "the oxide"}).provenance
    assert record.operation == "segment measure"
    assert record.command == (
        "visualccc segment measure film.tif --output measurements.csv --min-size 5 --ignore 0,255 --seed 3 "
        "--classes '1=Li,2=the oxide'"
    )
    assert record.seed == 3
    assert record.parameters["blocks"] >= 1
    assert record.as_dict()["parameters"]["min_size"] == 5


def test_planes_without_labels_are_told():
    stack = np.stack([film(), np.zeros_like(film()), film()])
    assert measure_phases(stack, class_names=NAMES, options=MeasureOptions(ignore="0")).notes == (
        "1 of 3 planes hold no phase and count nowhere: 1",
    )
