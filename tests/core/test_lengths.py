from dataclasses import dataclass

import pytest

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.lengths import Length, pixel_size_text, read_pixel_size
from napari_visualccc.core.params import Options, option, specs, to_arguments
from napari_visualccc.core.pixel_size import PixelSize


@dataclass(frozen=True)
class Blur(Options):
    sigma: str = option("1px", kind="length", label="Width", help="σ.", minimum=0.5, maximum=9.0)


@pytest.mark.parametrize(
    ("text", "length", "words"),
    [
        ("3", Length(3.0, "px"), "3px"),
        ("2.5 px", Length(2.5, "px"), "2.5px"),
        ("0.2 µm", Length(200.0, "nm"), "200nm"),
        ("2 A", Length(0.2, "nm"), "0.2nm"),
        ("1e-3um", Length(1.0, "nm"), "1nm"),
        ("0.1 1/nm", Length(0.1, "1/nm"), "0.1 1/nm"),
    ],
)
def test_what_people_write(text, length, words):
    found = Length.parse(text)
    assert found.value == pytest.approx(length.value)
    assert found.unit == length.unit
    assert str(found) == words
    assert Length.parse(str(found)) == found


@pytest.mark.parametrize("text", ["", "nm", "3 furlongs", "three px", "3 eV", "1e999 nm", None])
def test_what_is_no_length(text):
    with pytest.raises(OptionError, match="length"):
        Length.parse(text)


def test_pixels_follow_the_calibration_of_each_axis():
    assert Length(5, "nm").pixels(PixelSize(0.5, 0.25, "nm")) == (10, 20)
    assert Length(5).pixels(PixelSize(0.5, 0.25, "nm")) == (5, 5)
    with pytest.raises(OptionError, match="no pixel size"):
        Length(5, "nm").pixels(PixelSize())
    with pytest.raises(OptionError, match="1/nm"):
        Length(5, "nm").pixels(PixelSize(1, 1, "1/nm"))


def test_as_an_option():
    assert Blur(sigma="3 nm").sigma == "3nm"
    assert Blur(sigma=2).sigma == "2px"
    assert Blur(sigma="1000nm").sigma == "1000nm"  # limits are in pixels
    assert to_arguments(Blur(sigma="0.3 µm")) == ["--sigma", "300nm"]
    (spec,) = specs(Blur)
    assert spec.parse(" 4 A ") == "0.4nm"
    for wrong, words in (("0.1px", "at least 0.5"), ("10px", "at most 9"), ("-1nm", "positive"), ("x", "no|not")):
        with pytest.raises(OptionError, match=words):
            Blur(sigma=wrong)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0.35nm", PixelSize(0.35, 0.35, "nm")),
        ("2 A, 0.3 nm", PixelSize(0.2, 0.3, "nm")),
        ("0.1 1/nm", PixelSize(0.1, 0.1, "1/nm")),
        ("1px", PixelSize()),
    ],
)
def test_pixel_sizes_are_read_and_told_alike(text, size):
    found = read_pixel_size(text)
    assert (found.y, found.x, found.unit) == (pytest.approx(size.y), pytest.approx(size.x), size.unit)
    assert read_pixel_size(pixel_size_text(found)) == found


@pytest.mark.parametrize("text", ["", "0.35", "2px", "1nm,2nm,3nm", "1nm,1px", "1e9nm", "0nm", "-1nm", "3 eV"])
def test_what_is_no_pixel_size(text):
    with pytest.raises(OptionError, match="pixel|length"):
        read_pixel_size(text)
