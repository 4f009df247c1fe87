"""Short ways to run steps."""

import numpy as np
import pytest

from napari_visualccc.processing import Pipeline, apply


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def run():
    """Apply steps, given as on the command line, to an image; the array."""

    def call(image, *steps, **keywords):
        (data,) = apply(Pipeline.parse(steps), image, **keywords).images.values()
        return data.compute()

    return call
