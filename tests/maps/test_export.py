import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from napari_visualccc.core.errors import OptionError
from napari_visualccc.maps.colouring import MISSING, REST, by_category, by_number, colouring_of, columns_for_colour
from napari_visualccc.maps.export import export_map, figure_of
from napari_visualccc.maps.mosaic import grid_places, mosaic_of


def test_numbers_have_a_bar_texts_a_legend_and_holes_are_grey(made):
    numbers = colouring_of(made, "width")
    assert not numbers.categories
    assert (numbers.low, numbers.high) == pytest.approx(np.percentile(made.table["width"], (1, 99)))
    np.testing.assert_allclose(numbers.rgba[0, :3], np.array([68, 1, 84]) / 255, atol=1e-6)
    kinds = colouring_of(made, "kind")
    assert set(kinds.categories) == {"fine", "coarse"}
    np.testing.assert_array_equal(kinds.rgba[0], kinds.categories["fine"])
    holed = by_number("v", np.array([1.0, np.nan, 3.0, np.inf]))
    np.testing.assert_array_equal(holed.rgba[1], MISSING)
    assert np.isfinite(holed.rgba).all()
    assert holed.missing == 2
    many = by_category("c", [f"c{i}" for i in range(30)] + [""])
    assert many.missing == 1
    assert list(many.categories)[-1] == REST
    np.testing.assert_array_equal(many.rgba[-1], MISSING)
    for odd in (np.full(3, np.nan), np.full(3, 5.0)):
        assert np.isfinite(by_number("v", odd).rgba).all()


@pytest.mark.parametrize("values", [["spheroidite_widmanstaetten", None] * 20, [5.0, None] * 20])
def test_a_figure_has_room_for_its_legend_and_says_what_grey_is(made, values):
    title = "structure after annealing (as seen)"
    table = made.table.assign(**{title: values[: len(made)]})
    coloured = replace(made, table=table)
    tree = ET.fromstring(figure_of(coloured, colouring_of(coloured, title), np.arange(len(made))))
    words = {text.text: float(text.get("x")) for text in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert {title, "no value"} <= set(words)
    # 0.7 of the font's 13 units: DejaVu Sans Bold, the widest of the usual ones
    assert all(x + 0.7 * 13 * len(word) <= float(tree.get("width")) for word, x in words.items())


def test_unknown_columns_and_formats(made, tmp_path):
    assert columns_for_colour(made) == ["width", "specimen", "kind", "brightness", "contrast"]
    with pytest.raises(OptionError, match="there is no column 'depth'"):
        export_map(made, tmp_path / "a.svg", "depth")
    with pytest.raises(OptionError, match="exported as"):
        export_map(made, tmp_path / "a.docx")


@pytest.mark.parametrize("column", [None, "width", "kind"])
def test_figure_is_svg_with_all_points(made, tmp_path, column):
    text = export_map(made, tmp_path / "a.svg", column).read_text()
    tree = ET.fromstring(text)
    points = [e for e in tree.iter("{http://www.w3.org/2000/svg}circle") if len(e)]
    assert len(points) == 24
    assert column is None or column in text


def test_page_holds_everything_and_loads_nothing(made, tmp_path):
    tricky = replace(made, table=made.table.assign(note="</script><b>&"))
    text = export_map(tricky, tmp_path / "a.html", "kind").read_text()
    assert not re.search(r"(src|href)\s*=\s*[\"']http", text)
    assert text.count("</script>") == 1
    data = json.loads(re.search(r"const D=(\{.*?\});const c=", text, re.S).group(1).replace("<\\/", "</"))
    assert len(data["xy"]) == len(data["rows"]) == len(data["colour"]) == 24
    assert data["rows"][3][data["columns"].index("name")] == "film_03"
    assert set(data["legend"]) == {"fine", "coarse"}
    assert data["image"].startswith("data:image/jpeg;base64,")


def test_table_of_some_rows(made, tmp_path):
    table = pd.read_csv(export_map(made, tmp_path / "a.csv", rows=[4, 2]))
    assert table["name"].tolist() == ["film_04", "film_02"]
    assert {"map_x", "map_y", "width", "path"} <= set(table.columns)


def test_thumbnails_get_a_cell_each_near_their_place():
    places = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    cells = grid_places(places, 22)
    assert len(np.unique(cells, axis=0)) == 200
    assert cells.min() >= 0
    assert cells.max() < 22
    assert np.corrcoef(cells[:, 1], places[:, 0])[0, 1] > 0.95
    assert np.corrcoef(cells[:, 0], -places[:, 1])[0, 1] > 0.95
    assert len(np.unique(grid_places(np.zeros((30, 2), np.float32), 9), axis=0)) == 30


def test_mosaic_shows_each_thumbnail(made):
    mosaic = mosaic_of(made.thumbnails, made.coordinates)
    for row in (0, 7, 23):
        y, x = mosaic.corners[row]
        height, width = mosaic.size
        assert mosaic.row_at(y + height - 1, x) == row
        np.testing.assert_array_equal(mosaic.levels[0][y : y + height, x : x + width], made.thumbnails[row])
    many = mosaic_of(np.ones((2500, 80, 80), np.uint8), np.random.default_rng(0).random((2500, 2), np.float32))
    assert len(many.levels) > 1
    assert many.row_at(-1, 0) == -1
