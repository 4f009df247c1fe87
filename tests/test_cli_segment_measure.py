"""`visualccc segment measure`: whose names are whose, what is refused, what is written, what the record repeats."""

import json
import os
import shlex

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from napari_visualccc.core.errors import FileFormatError
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.results import fingerprint
from napari_visualccc.io import read, write_tiff
from napari_visualccc.segment.folders import source_files


def squares(values=(1, 2)):
    """A matrix with a square of a quarter of the area and one of a sixteenth."""
    labels = np.full((40, 40), values[0], np.uint8)
    labels[5:25, 5:25] = values[1]
    labels[30:, 30:] = values[1]
    return labels


@pytest.fixture
def measure(run, tmp_path):
    """Measure labels, an array or a path, with these flags."""

    def measure(labels, *flags):
        path = labels
        if isinstance(labels, np.ndarray):
            path = tmp_path / "labels.tif"
            tifffile.imwrite(path, labels, photometric="minisblack")
        return run("segment", "measure", path, *flags, "--output", tmp_path / "out" / "film.csv")

    return measure


def fractions(answer):
    return {(row["label"], row["class"]): row["fraction"] for row in answer["fractions"] if row["pixels"]}


FILM = 5 / 16


@pytest.mark.parametrize("values", [(0, 1), (1, 2), (3, 7), (0, 255)])
def test_names_are_of_the_values_that_there_are(measure, values):
    _, answer, _ = measure(squares(values), "--classes", "matrix,film")
    assert fractions(answer) == {(values[0], "matrix"): 1 - FILM, (values[1], "film"): FILM}


def test_what_says_nothing_takes_no_name(measure):
    labels = squares()
    labels[:5] = 255
    _, answer, _ = measure(labels, "--classes", "matrix,film")
    assert fractions(answer) == pytest.approx({(1, "matrix"): 9 / 14, (2, "film"): 5 / 14})
    labels[:5] = 0
    _, answer, _ = measure(labels, "--classes", "matrix,film", "--ignore", "0")
    assert fractions(answer) == pytest.approx({(1, "matrix"): 9 / 14, (2, "film"): 5 / 14})


def test_a_phase_may_be_lacking(measure):
    stack = np.stack([np.zeros((40, 40), np.uint8), squares((0, 2))])
    _, answer, _ = measure(stack, "--classes", "matrix,crack,film")
    assert fractions(answer) == {(0, "matrix"): 1 - FILM / 2, (2, "film"): FILM / 2}
    stack[0] = 1
    for flags, share in (((), 0.5), (("--plane", "0"), 1.0)):  # of a plane the names are those of its stack
        _, answer, _ = measure(stack, "--classes", "matrix,crack,film", *flags)
        assert fractions(answer)[1, "crack"] == share


def holding(*values):
    """Labels that hold these values and no others."""
    return np.resize(np.array(values, np.uint8), (40, 40))


@pytest.mark.parametrize(
    ("values", "names", "meant"),
    [
        ((0, 1, 2), "abc", {0: "a", 1: "b", 2: "c"}),
        ((0, 2), "abc", {0: "a", 2: "c"}),
        ((0, 1, 255), "ab", {0: "a", 1: "b"}),
        ((1, 255), "a", {1: "a"}),
        ((0, 255), "ab", {0: "a", 255: "b"}),  # a mask
        ((0, 1, 255), "abcd", {0: "a", 1: "b"}),  # 255 can be none of four from 0 on
        ((3, 7), "ab", {3: "a", 7: "b"}),
    ],
)
def test_names_that_can_be_meant_in_one_way(measure, values, names, meant):
    code, answer, _ = measure(holding(*values), "--classes", ",".join(names))
    assert code == 0
    assert dict(fractions(answer)) == pytest.approx(dict.fromkeys(meant.items(), 1 / len(meant)), abs=0.01)


@pytest.mark.parametrize(
    ("values", "names", "why"),
    [
        ((1, 2), "abc", ""),  # from 0 on, or from 1 on
        ((2,), "abc", ""),
        ((0, 1, 2), "ab", ""),  # one forgotten, or 0 is none
        ((0, 1, 255), "abc", ", of which 255 may be no phase"),
        ((1, 255), "ab", ", of which 255 may be no phase"),
        ((255,), "a", ", of which 255 may be no phase"),
        ((255,), "ab", ""),
        ((0, 255), "b", ""),
        ((3, 7), "abc", ""),
    ],
)
def test_names_that_can_be_meant_otherwise_are_refused(measure, values, names, why):
    code, _, err = measure(holding(*values), "--classes", ",".join(names))
    assert code == 2
    assert f"{len(names)} class names were given ({', '.join(names)}) for the values {list(values)}{why}: say" in err
    assert "--classes 1=…,2=…" in err


def test_only_some_of_many_values_are_told(measure):
    code, _, err = measure(np.arange(1600, dtype=np.uint16).reshape(40, 40), "--classes", "a,b")
    assert code == 2
    assert "for the values [0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and " in err


@pytest.mark.parametrize(
    ("known", "values"),
    [
        ((1, 2, 3), (1, 2)),
        ((1, 2, 3), (0, 1, 2)),  # 0 where nothing is known
        ((0, 1, 2), (0, 1, 255)),
    ],
)
def test_names_are_of_the_values_that_were_predicted(measure, tmp_path, known, values):
    pd.DataFrame({"label": known, "class": ["p", "q", "r"]}).to_csv(tmp_path / "a.csv")
    path = write_tiff(tmp_path / "a.ome.tif", holding(*values), (Axis("y", 40), Axis("x", 40)), labels=True)
    _, answer, _ = measure(path, "--classes", "matrix,film,pore")
    meant = dict(zip(known, ("matrix", "film", "pore"), strict=True))
    assert {(row["label"], row["class"]) for row in answer["fractions"]} == set(meant.items())
    code, _, err = measure(path, "--classes", "matrix,film")
    assert code == 2
    assert f"2 class names were given (matrix, film) for the values {list(known)}: say" in err


def test_a_table_of_objects_beside_the_labels_names_no_phases(run, tmp_path):
    path = write_tiff(tmp_path / "a.ome.tif", holding(0, 1, 2), (Axis("y", 40), Axis("x", 40)), labels=True)
    for _ in range(2):
        _, answer, _ = run("segment", "measure", path, "--objects-of", "1", "--output", tmp_path / "a.csv")
        assert [row["class"] for row in answer["fractions"]] == ["class 0", "class 1", "class 2"]


def test_labels_that_are_no_whole_numbers_are_refused(measure):
    labels = squares().astype(np.float32)
    labels[0] = np.nan
    for names in ("matrix,film", "1=matrix,2=film"):
        code, _, err = measure(labels, "--classes", names)
        assert code == 2
        assert "labels must be whole numbers, one per phase; " in err
        assert "labels.tif holds float32 values such as nan" in err


def test_values_are_not_looked_for_where_names_say_them(measure, monkeypatch):
    monkeypatch.setattr("napari_visualccc.segment.annotations.label_values", lambda planes: pytest.fail("read"))
    code, _, _ = measure(squares(), "--classes", "1=matrix,2=film")
    assert code == 0


def test_names_by_value(measure):
    _, answer, _ = measure(squares((3, 7)), "--classes", "1=void, 7=film,3=Li, a = metal")
    assert fractions(answer) == {(3, "Li, a = metal"): 1 - FILM, (7, "film"): FILM}
    assert [row["class"] for row in answer["fractions"]] == ["void", "Li, a = metal", "film"]


def test_several_images_are_not_one(measure, tmp_path):
    folder = tmp_path / "labels"
    folder.mkdir()
    for name, edge in (("a", 40), ("b", 30)):
        tifffile.imwrite(folder / f"{name}.tif", squares()[:edge])
    code, _, err = measure(folder)
    assert code == 2
    assert "holds 2 images that are no stack (0: labels 40 × 40, 1: labels 30 × 40): choose one by --signal" in err
    code, answer, _ = measure(folder, "--signal", "1")
    assert code == 0
    assert sum(row["pixels"] for row in answer["fractions"]) == 1200


@pytest.fixture
def predicted(tmp_path):
    """Folder of results: labels of a and b, and the tables and records that `segment predict` writes beside them."""

    def write(names=((0, "matrix"), (2, "film"), (3, "pore")), stem="a"):
        labels = squares((0, 2))
        labels[0] = 255  # where nothing is known
        folder = tmp_path / "results"
        write_tiff(folder / f"{stem}_phases.ome.tif", labels, (Axis("y", 40), Axis("x", 40)), labels=True)
        table = pd.DataFrame(names, columns=["label", "class"])
        table.to_csv(folder / f"{stem}_phases.csv", index=False)
        (folder / f"{stem}_provenance.json").write_text("{}")
        return folder

    (tmp_path / "results").mkdir()
    write(stem="b")
    write()
    return write


def test_a_folder_of_results_has_the_names_of_their_tables(measure, predicted, caplog):
    folder = predicted()
    write_tiff(folder / "a_confidence.ome.tif", squares(), (Axis("y", 40), Axis("x", 40)))
    code, answer, _ = measure(folder)
    assert code == 0
    assert [(row["label"], row["class"]) for row in answer["fractions"]] == [(0, "matrix"), (2, "film"), (3, "pore")]
    assert sum(row["pixels"] for row in answer["fractions"]) == 2 * 39 * 40
    assert "labels without a name (255)" in answer["notes"][0]
    assert "left out" not in caplog.text
    iio.imwrite(folder / "a.png", squares())
    assert measure(folder)[1]["fractions"] == answer["fractions"]
    assert "1 of 3 images" in caplog.text
    assert "left out: a.png" in caplog.text


@pytest.mark.parametrize(("film", "nothing"), [(2, 255), (255, 65535)])
def test_where_nothing_is_known_is_told_by_the_table(measure, tmp_path, film, nothing):
    labels = np.where(squares((0, 1)), film, 0).astype(np.uint16)
    labels[0] = nothing
    path = write_tiff(tmp_path / "a_phases.ome.tif", labels, (Axis("y", 40), Axis("x", 40)), labels=True)
    pd.DataFrame({"label": [0, film], "class": ["matrix", "film"]}).to_csv(tmp_path / "a_phases.csv", index=False)
    for flags in ((), ("--classes", "matrix,film")):
        _, answer, _ = measure(path, *flags)
        assert fractions(answer).keys() == {(0, "matrix"), (film, "film")}
        assert f"({nothing})" in answer["notes"][0]


def test_tables_of_a_folder_that_differ_are_refused(measure, predicted):
    folder = predicted(((0, "matrix"), (2, "oxide"), (3, "pore")))
    for flags in ((), ("--classes", "x,y,z")):
        code, _, err = measure(folder, *flags)
        assert code == 2
        assert "a_phases.ome.tif and b_phases.ome.tif name other phases: measure the files one by one" in err
        assert err.count("\n") == 1
    code, answer, _ = measure(folder, "--classes", "0=x,2=y")
    assert (code, [row["class"] for row in answer["fractions"]]) == (0, ["x", "y"])


def test_results_in_a_folder_are_not_written_over(run, predicted):
    folder = predicted()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    code, _, err = run("segment", "measure", folder, "--output", folder / "a")
    assert (code, "would write over" in err) == (2, True)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_of_several_images_that_of_the_labels_is_taken(measure, predicted, tmp_path):
    folder = predicted()
    labels, record = folder / "a_phases.ome.tif", folder / "a_provenance.json"
    scan = tmp_path / "scan.ome.tif"
    with tifffile.TiffWriter(scan, ome=True) as file:
        for level in (10, 20, 30, 30):
            file.write(np.full((40, 40), level, np.uint8) + squares(), metadata={"axes": "YX"})
    code, _, err = measure(labels, "--image", scan)  # the record does not know
    assert code == 2
    assert "scan.ome.tif holds 4 images (0: scan, 1: scan [1], 2: scan [2] and 1 more), and no record tells" in err
    assert "by --image-signal" in err
    record.write_text(json.dumps({"input_hash": fingerprint(read(scan)[1].planes)}))
    code, answer, _ = measure(labels, "--image", scan)
    assert (code, answer["objects"][-1]["mean_intensity"]) == (0, 22)
    assert f"--image {scan} --image-signal 1" in answer["provenance"]["command"]
    predicted(stem="scan_3")
    (folder / "scan_3_provenance.json").write_text(json.dumps({"input_hash": fingerprint(read(scan)[3].planes)}))
    code, answer, _ = measure(folder / "scan_3_phases.ome.tif", "--image", scan)
    assert "--image-signal 3" in answer["provenance"]["command"]  # by its name, as the last two are alike
    code, answer, _ = measure(labels, "--image", scan, "--image-signal", "2")
    assert (code, answer["objects"][-1]["mean_intensity"]) == (0, 32)
    assert f"--image {scan} --image-signal 2" in answer["provenance"]["command"]
    code, _, err = measure(labels, "--image", scan, "--image-signal", "4")
    assert (code, "holds the images 0 … 3; there is no 4" in err) == (2, True)
    code, _, err = measure(labels, "--image-signal", "1")
    assert (code, "give the file by --image" in err) == (2, True)


def test_planes_of_two_folders_belong_together_by_name(measure, predicted, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a", "B"):
        iio.imwrite(images / f"{name}.png", squares())
    assert measure(predicted(), "--image", images)[0] == 0
    (images / "B.png").rename(images / "c.png")
    code, _, err = measure(predicted(), "--image", images)
    assert (code, "c.png in" in err, "differ in name: give them one by one" in err) == (2, True, True)


def test_colour_pictures_are_no_labels(measure, tmp_path):
    iio.imwrite(tmp_path / "colour.png", np.stack([squares() * 100, squares(), squares()], -1))
    code, _, err = measure(tmp_path / "colour.png")
    assert code == 2
    assert "colour.png is a colour picture" in err
    iio.imwrite(tmp_path / "grey.png", np.stack([squares()] * 3, -1))
    code, answer, _ = measure(tmp_path / "grey.png")
    assert code == 0
    assert fractions(answer) == {(1, "class 1"): 1 - FILM, (2, "class 2"): FILM}


def test_folders_of_pictures_with_palettes_or_of_floating_point(measure, tmp_path):
    coloured, floating = Image.fromarray(squares()), Image.fromarray(squares() / np.float32(1))
    coloured.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    for name, labels, extension in (("palette", coloured, "png"), ("float", floating, "tif")):
        (tmp_path / name).mkdir()
        for number in range(2):
            labels.save(tmp_path / name / f"{number}.{extension}")
        code, answer, _ = measure(tmp_path / name)
        assert (code, fractions(answer)) == (0, {(1, "class 1"): 1 - FILM, (2, "class 2"): FILM})
    Image.fromarray(squares()).save(tmp_path / "palette" / "2.jpg")
    code, _, err = measure(tmp_path / "palette")
    assert (code, "2.jpg is a JPEG picture" in err) == (2, True)


def test_everything_is_written(measure, tmp_path):
    labels = np.stack([squares(), squares()])
    labels[:, 10:20] = 2  # a layer
    axes = Axis("z", 2, 5.0, 0.0, "nm"), Axis("y", 40, 0.5, 0.0, "nm"), Axis("x", 40, 0.5, 0.0, "nm")
    path = write_tiff(tmp_path / "labels.ome.tif", labels, axes, labels=True)
    _, answer, _ = measure(path, "--classes", "matrix,film", "--thickness-of", "film")
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {
        "film.csv", "film_phases.csv", "film_sizes.csv", "film_interfaces.csv", "film_histogram.csv",
        "film_thickness_summary.csv", "film_thickness.csv", "film_objects.ome.tif", "film_thickness.ome.tif",
        "film_provenance.json",
    }  # fmt: skip
    assert sorted(answer["outputs"]) == sorted(str(path) for path in out.iterdir())
    objects = read(out / "film_objects.ome.tif")[0]
    assert objects.axes == axes
    assert objects.data.dtype == np.uint32
    numbers = np.asarray(objects.data)
    table = pd.read_csv(out / "film.csv")
    assert np.bincount(numbers.ravel())[1:].tolist() == table.pixels.tolist()
    thickness = read(out / "film_thickness.ome.tif")[0]
    assert thickness.axes == axes
    assert thickness.data.dtype == np.float32
    assert np.isnan(np.asarray(thickness.data)[labels == 1]).all()
    histogram = pd.read_csv(out / "film_histogram.csv")
    assert histogram.groupby("class").objects.sum().to_dict() == table.groupby("class").size().to_dict()
    assert histogram.low_nm.min() == pytest.approx(table.equivalent_diameter_nm.min())
    assert histogram.high_nm.max() == pytest.approx(table.equivalent_diameter_nm.max())
    with pytest.raises(FileFormatError, match="only results"):  # none of them is an image to segment
        source_files(out)


def test_the_recorded_command_repeats_the_measurement(measure, run, tmp_path):
    image = tmp_path / "image.tif"
    tifffile.imwrite(image, np.arange(1600, dtype=np.float32).reshape(40, 40))
    _, answer, _ = measure(
        squares((3, 7)), "--classes", "the matrix,film", "--image", image, "--exclude-edges", "--bootstrap", "50"
    )
    tables = {path: path.read_bytes() for path in (tmp_path / "out").glob("*.csv")}
    assert len(tables) == 5
    for path in tables:
        path.unlink()
    words = shlex.split(answer["provenance"]["command"])
    assert words[0] == "visualccc"
    code, again, _ = run(*words[1:])
    assert code == 0
    assert again["provenance"]["command"] == answer["provenance"]["command"]
    assert {path: path.read_bytes() for path in (tmp_path / "out").glob("*.csv")} == tables


def test_the_record_keeps_names_found_beside_the_labels(run, tmp_path):
    write_tiff(tmp_path / "a_phases.ome.tif", squares(), (Axis("y", 40), Axis("x", 40)), labels=True)
    pd.DataFrame({"label": [1, 2], "class": ["matrix", "film"]}).to_csv(tmp_path / "a_phases.csv")
    _, answer, _ = run("segment", "measure", tmp_path / "a_phases.ome.tif", "--output", tmp_path / "b")
    assert "--classes 1=matrix,2=film" in answer["provenance"]["command"]


@pytest.mark.parametrize("output", ["scan.csv", "scan_phases.csv", "scan_phases"])
def test_what_was_predicted_is_not_written_over(run, tmp_path, output):
    labels = tmp_path / "scan_phases.ome.tif"
    write_tiff(labels, squares((0, 1)), (Axis("y", 40), Axis("x", 40)), labels=True)
    pd.DataFrame({"label": [0, 1], "class": ["NA", "None"]}).to_csv(tmp_path / "scan_phases.csv", index=False)
    (tmp_path / "scan_provenance.json").write_text("{}")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    code, _, err = run("segment", "measure", labels, "--output", tmp_path / output)
    assert code == 2
    assert "would write over" in err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    code, answer, _ = run("segment", "measure", labels, "--output", tmp_path / "measured")
    assert (code, fractions(answer)) == (0, {(0, "NA"): 1 - FILM, (1, "None"): FILM})


def test_labels_are_not_written_over(run, tmp_path):
    labels = tmp_path / "film_objects.ome.tif"
    write_tiff(labels, squares(), (Axis("y", 40), Axis("x", 40)), labels=True)
    before = labels.read_bytes()
    code, _, err = run("segment", "measure", labels, "--output", tmp_path / "film.csv")
    assert (code, labels.read_bytes()) == (2, before)
    assert "film_measured.csv" in err
    code, _, err = run("segment", "measure", labels, "--output", tmp_path)
    assert (code, "is a folder" in err) == (2, True)


def test_fractions_that_were_measured_are_no_names(run, tmp_path):
    labels = tmp_path / "film_phases.ome.tif"
    write_tiff(labels, squares((0, 1)), (Axis("y", 40), Axis("x", 40)), labels=True)
    for _ in range(2):
        code, answer, _ = run("segment", "measure", labels, "--ignore", "0", "--output", tmp_path / "film")
        assert (code, fractions(answer)) == (0, {(1, "class 1"): 1})


def test_labels_without_a_pixel_size_take_that_of_the_micrograph(measure, tmp_path, caplog):
    image = write_tiff(
        tmp_path / "image.ome.tif", np.ones((40, 40)), (Axis("y", 40, 2, 0, "nm"), Axis("x", 40, 2, 0, "nm"))
    )
    _, answer, _ = measure(squares(), "--image", image)
    assert (answer["pixel_size"], answer["unit"]) == ([2, 2], "nm")
    assert any("that of" in note for note in answer["notes"])
    assert read(tmp_path / "out" / "film_objects.ome.tif")[0].pixel_size.y == 2


def test_what_people_read(run, tmp_path, capsys):
    from napari_visualccc.cli import main

    labels = np.zeros((60, 300), np.uint8)
    labels[20:32] = 1
    tifffile.imwrite(tmp_path / "a.tif", labels)
    words = [
        "segment",
        "measure",
        tmp_path / "a.tif",
        "--thickness-of",
        "1",
        "--bootstrap",
        "0",
        "--output",
        tmp_path / "b",
    ]
    assert main([str(word) for word in words]) == 0
    said = capsys.readouterr().out
    assert "class 1 (1): 20.00% (no interval)" in said
    assert "thickness of the layer in px: 12 (no interval)" in said


def test_names_by_value_are_given_once(measure):
    code, _, err = measure(squares(), "--classes", "1=a,1=b")
    assert (code, "each value takes one name" in err) == (2, True)


def test_all_that_is_written_is_looked_for_before(measure, tmp_path):
    """What is missing in the list could be written over the labels."""
    from napari_visualccc.commands.measurement import _WRITTEN

    _, answer, _ = measure(squares(), "--thickness-of", "2")
    assert {name.removeprefix("film") for name in map(os.path.basename, answer["outputs"])} == set(_WRITTEN)
