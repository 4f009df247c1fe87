import json

import numpy as np
import pytest
import tifffile

from napari_visualccc.cli import main


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def films(tmp_path):
    """Folder of twelve textures and a table of their widths."""
    from scipy.ndimage import gaussian_filter

    folder = tmp_path / "films"
    folder.mkdir()
    lines = ["id,width,specimen,text"]
    for number in range(12):
        values = gaussian_filter(np.random.default_rng(number).normal(size=(64, 80)), 1 + number / 4)
        tifffile.imwrite(folder / f"f{number}.tif", (values / values.std() * 90 + 900).astype(np.uint16))
        lines.append(f"f{number},{1 + number / 4},S{number // 2},a")
    (tmp_path / "films.csv").write_text("\n".join([*lines, "gone,1,S9,a"]))
    return folder


def run(capsys, *arguments, expect=0):
    code = main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == expect, captured.err
    return json.loads(captured.out) if code == 0 else captured.err


def test_build_properties_similar_export(films, tmp_path, capsys):
    made = tmp_path / "m.map.zarr.zip"
    built = run(capsys, "map", "build", films, "--output", made, "--table", tmp_path / "films.csv", "--device", "cpu")
    assert built["n"] == 12
    assert 0.5 < built["trustworthiness"] <= 1
    assert built["seconds"] > 0
    assert built["unmatched"]["rows"] == ["gone"]
    asked = run(capsys, "map", "properties", made, "--target", "width", "--permutations", "99", "--output",
                tmp_path / "out", "--regions", films / "f3.tif")  # fmt: skip
    assert {"knn_r2", "spearman", "p_value"} <= set(asked)
    assert asked["spearman"] > 0.6
    assert asked["p_value"] <= 0.05
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "f3_width_regions.ome.tif", "width_clusters.csv", "width_predictions.csv",
    ]  # fmt: skip
    found = run(capsys, "map", "similar", made, films / "f5.tif", "--top", "3")
    assert len(found["neighbours"]) == 3
    assert found["neighbours"][0]["path"].endswith("f5.tif")
    assert found["neighbours"][0]["distance"] < 0.01
    page = run(capsys, "map", "export", made, "--output", tmp_path / "m.html", "--colour", "width")
    assert page["outputs"] == [str(tmp_path / "m.html")]
    assert main(["map", "properties", str(made), "--target", "width", "--permutations", "0"]) == 0
    assert "rank correlation" in capsys.readouterr().out


def test_extend(films, tmp_path, capsys):
    made = tmp_path / "m.zip"
    run(capsys, "map", "build", films, "--output", made)
    tifffile.imwrite(films / "more.tif", np.random.default_rng(0).random((50, 50), np.float32))
    assert run(capsys, "map", "build", films, "--output", made, "--extend")["n"] == 13


@pytest.mark.parametrize(("words", "said"), [
    (["properties", "M", "--target", "depth"], "there is no column 'depth'"),
    (["properties", "M", "--target", "text"], "no numbers"),
    (["properties", "M", "--target", "width", "--regions", "x.tif"], "needs --output"),
    (["similar", "M", "nothing.tif"], "nothing.tif does not exist"),
    (["similar", "M", "F", "--top", "0"], "--top must be at least 1"),
    (["similar", "F", "F"], "not a map"),
    (["export", "M", "--output", "m.pdf"], "exported as"),
    (["build", "nowhere", "--output", "x.zip"], "nowhere does not exist"),
])  # fmt: skip
def test_what_the_user_must_change(films, tmp_path, capsys, words, said):
    made = tmp_path / "m.zip"
    run(capsys, "map", "build", films, "--output", made, "--table", tmp_path / "films.csv")
    places = {"M": made, "F": films / "f1.tif"}
    assert said in run(capsys, "map", *(places.get(word, word) for word in words), expect=2)
