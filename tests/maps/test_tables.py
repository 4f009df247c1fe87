import numpy as np
import pandas as pd
import pytest

from napari_visualccc.core.errors import FileFormatError, InputError, OptionError
from napari_visualccc.maps.tables import join, numbers_of, numeric_columns, read_table

PATHS = ["/data/run1/a.tif", "/data/run1/b.tif", "/data/run2/a.tif"]


def joined(keys, paths=PATHS, column="path", **more):
    table = pd.DataFrame({column: keys, "value": range(len(keys)), **more})
    return join(table, paths, [0] * len(paths))


@pytest.mark.parametrize("keys", [
    ["run1/a.tif", "run1/b.tif", "run2/a.tif"], ["run1\\a", "run1\\b", "run2\\a"], ["./run1/a.tif", "b", "run2/a"],
    PATHS,
])  # fmt: skip
def test_rows_find_their_micrograph_by_the_end_of_the_path(keys):
    found = joined(keys)
    assert found.table["value"].tolist() == [0, 1, 2]
    assert not found.unmatched_rows
    assert not found.unmatched_images


def test_longer_paths_and_numbers_as_ids():
    assert joined(["images/a.tif", "images/b.tif"], ["a.tif", "b.tif"]).table["value"].tolist() == [0, 1]
    assert joined([7, 12], ["/x/12.png", "/x/7.png"], "ID").table["value"].tolist() == [1, 0]
    assert joined([7.0, np.nan], ["/x/7.png"], "id").unmatched_rows == ["nan"]


def test_what_has_no_partner_is_listed():
    found = joined(["b.tif", "z.tif", "b.tif"])
    assert found.unmatched_rows == ["z.tif"]
    assert found.unmatched_images == ["a.tif", "a.tif"]
    assert found.repeated == ["b.tif"]
    assert found.table["value"].isna().tolist() == [True, False, True]


def test_planes_of_a_stack():
    table = pd.DataFrame({"file": ["s.tif"] * 3, "plane": [2, 0, 1], "value": [20, 0, 10]})
    found = join(table, ["/x/s.tif"] * 3, [0, 1, 2])
    assert found.table["value"].tolist() == [0, 10, 20]
    assert not found.repeated
    assert not found.unmatched_rows


def test_tables_that_fit_nothing():
    with pytest.raises(InputError, match="no column that names"):
        join(pd.DataFrame({"value": [1]}), PATHS, [0, 0, 0])
    with pytest.raises(InputError, match="no row of the table belongs"):
        joined(["q", "r"])
    with pytest.raises(InputError, match="no rows"):
        joined([])


@pytest.mark.parametrize("text", ["path,v\na,1\n", "path;v\na;1\n", "path\tv\na\t1\n", "\ufeffpath,v\na,1\n"])
def test_tables_of_any_kind(tmp_path, text):
    file = tmp_path / "t.csv"
    file.write_text(text, encoding="utf-8")
    assert read_table(file).to_dict("list") == {"path": ["a"], "v": [1]}


def test_tables_that_are_none(tmp_path):
    for name, content in (("a.xlsx", b"no"), ("b.csv", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileFormatError):
            read_table(tmp_path / name)
    with pytest.raises(FileFormatError):
        read_table(tmp_path / "none.csv")


def test_numbers_text_and_holes():
    table = pd.DataFrame({"v": ["1.5", "n/a", None, "2", "inf"], "t": list("abcde"), "e": [None] * 5})
    values, strange = numbers_of(table, "v")
    np.testing.assert_array_equal(values, [1.5, np.nan, np.nan, 2, np.nan])
    assert strange == ["inf", "n/a"]
    assert numeric_columns(table) == ["v"]
    for column in ("t", "e", "missing"):
        with pytest.raises(OptionError, match=column):
            numbers_of(table, column)
