import json
from pathlib import Path

import numpy as np

from napari_visualccc.core.plain import plain


def test_what_json_lacks_is_replaced():
    value = {
        1: [np.float32(0.5), np.nan, float("inf")], "table": np.array([[1, 2], [3, 4]]), "path": Path("a") / "b",
        "flag": np.bool_(True), "none": None, "pair": (np.int64(3), "text"),
    }  # fmt: skip
    text = json.dumps(plain(value), allow_nan=False)
    assert json.loads(text) == {
        "1": [0.5, None, None], "table": [[1, 2], [3, 4]], "path": str(Path("a") / "b"), "flag": True, "none": None,
        "pair": [3, "text"],
    }  # fmt: skip
