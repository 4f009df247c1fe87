import json
import shlex

import numpy as np
import pytest

from napari_visualccc.core.errors import FileFormatError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.processing import Pipeline, PipelineStep, apply
from napari_visualccc.processing.registry import STEPS


@pytest.fixture
def pipeline():
    return Pipeline(
        (
            PipelineStep.parse("median:width=5px"),
            PipelineStep("tv", enabled=False),
            PipelineStep.parse("glcm:distances=1,2,property=energy,angles=0"),
        )
    )


def test_words_and_back(pipeline):
    for step in pipeline.steps:
        assert PipelineStep.parse(str(step)).options == step.options
    assert str(pipeline.steps[2]) == "glcm:property=energy,distances=1,2,angles=0"
    assert [str(step) for step in pipeline.active] == ["median:width=5px", str(pipeline.steps[2])]


@pytest.mark.parametrize("name", STEPS)
def test_every_step_has_words_and_a_recipe(name):
    step = PipelineStep(name)
    assert str(step) == name
    assert PipelineStep.of_dict(json.loads(json.dumps(step.as_dict()))) == step


def test_a_recipe_keeps_everything(tmp_path, pipeline):
    path = pipeline.save(tmp_path / "recipes" / "mine.json")
    assert Pipeline.load(path) == pipeline
    assert json.loads(path.read_text())["steps"][1] == {"step": "tv", "options": {"strength": 1.0}, "enabled": False}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gausian", "did you mean gaussian"),
        ("zzz", "there are hot_pixels"),
        ("gaussian:width=3", "no option 'width': it knows sigma"),
        ("gaussian:sigma", "no option"),
        ("gaussian:sigma=-1", r"step gaussian: Width σ \(sigma\) must be at least 0"),
        ("gaussian:sigma=wide", "not a length"),
        ("otsu:objects=pink", "bright, dark"),
        ("bin:factor=1.5", "whole number"),
    ],
)
def test_wrong_words_are_explained(text, words):
    with pytest.raises(OptionError, match=words):
        Pipeline.parse([text])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "cannot be read"),
        ("[]", "no recipe"),
        ('{"kind": "visualccc pipeline", "version": 99, "steps": []}', "update"),
        ('{"kind": "visualccc pipeline", "steps": [{"step": "magic"}]}', "no step 'magic'"),
        ('{"kind": "visualccc pipeline", "steps": [{"step": "tv", "options": {"x": 1}}]}', "no option 'x'"),
        ('{"kind": "visualccc pipeline", "steps": [{"step": "tv", "options": {"strength": "much"}}]}', "a number"),
    ],
)
def test_files_that_are_no_recipe(tmp_path, content, words):
    path = tmp_path / "r.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=words) as error:
        Pipeline.load(path)
    assert "r.json" in str(error.value)
    with pytest.raises(FileFormatError, match="nowhere"):
        Pipeline.load(tmp_path / "nowhere.json")


def test_steps_that_are_off_do_nothing(pipeline):
    image = np.random.default_rng(0).random((30, 30))
    on = Pipeline(pipeline.active)
    a, b = (apply(p, image).images["processed"].compute() for p in (pipeline, on))
    np.testing.assert_array_equal(a, b)


def test_the_record_repeats_it(pipeline):
    result = apply(pipeline, np.ones((20, 20), np.uint8), pixel_size=PixelSize(1, 1, "nm"), name="a b.tif")
    words = shlex.split(result.provenance.command)
    assert words[:3] == ["visualccc", "process", "a b.tif"]
    assert Pipeline.parse(words[words.index("--step") + 1 : -2 : 2]).steps == pipeline.active
    assert result.provenance.as_dict()["parameters"]["steps"] == [str(step) for step in pipeline.active]
    assert result.provenance.input_hash.startswith("blake2b:")
