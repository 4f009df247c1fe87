import math

import pytest

from napari_visualccc.core.pixel_size import Axis, PixelSize, canonical_unit, read_scale


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nm", ("nm", 1)),
        ("A", ("nm", 0.1)),
        ("Å", ("nm", 0.1)),
        ("pm", ("nm", 1e-3)),
        ("n_m", ("nm", 1)),
        ("µm", ("nm", 1e3)),
        ("μm", ("nm", 1e3)),
        ("um", ("nm", 1e3)),
        ("m", ("nm", 1e9)),
        ("cm", ("nm", 1e7)),
        ("1/nm", ("1/nm", 1)),
        ("1 / nm", ("1/nm", 1)),
        ("nm^-1", ("1/nm", 1)),
        ("1/µm", ("1/nm", 1e-3)),
        ("1/A", ("1/nm", 10)),
        ("rad", ("mrad", 1e3)),
        ("", ("px", 1)),
        ("[]", ("px", 1)),
        (None, ("px", 1)),
        ("pixel", ("px", 1)),
    ],
)
def test_units_as_files_write_them(text, expected):
    unit, factor = canonical_unit(text)
    assert unit == expected[0]
    assert factor == pytest.approx(expected[1])


@pytest.mark.parametrize(
    ("scale", "unit", "words"),
    [
        (-1.0, "nm", "not positive"),
        (0, "nm", "not positive"),
        (4.246e16, "nm", "cannot be true"),
        (1e-9, "nm", "cannot be true"),
        (2.0, "furlong", "not known"),
        (float("nan"), "nm", "not a number"),
        ("wide", "nm", "not a number"),
    ],
)
def test_impossible_sizes_become_pixels_and_say_so(scale, unit, words):
    value, offset, name, note = read_scale(scale, unit)
    assert (value, offset, name) == (1.0, 0.0, "px")
    assert words in note


def test_missing_scale_is_no_complaint():
    assert read_scale(None, None) == (1.0, 0.0, "px", None)
    assert read_scale(1.0, "") == (1.0, 0.0, "px", None)


def test_far_away_offsets_are_dropped_and_near_ones_converted():
    assert read_scale(0.04, "1/nm", -2.7e9)[1] == 0.0
    assert read_scale(2.0, "µm", -100.0)[1] == pytest.approx(-1e5)


def test_anisotropic_mixed_units():
    size = PixelSize.from_axes(Axis("y", 4, 0.2, 0, "nm"), Axis("x", 4, 1.0, 0, "nm"))
    assert size.area == pytest.approx(0.2)
    assert not size.is_square
    assert "0.2 × 1 nm" in str(size)


def test_axes_of_different_kind_span_no_area():
    assert not PixelSize.from_axes(Axis("y", 4, 0.2, 0, "nm"), Axis("E", 4, 1.0, 0, "eV")).is_calibrated


def test_scaled_keeps_pixels_uncalibrated():
    assert PixelSize().scaled(2) == PixelSize()
    assert PixelSize.of(2).scaled(3).x == 6


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_pixel_size_is_positive(bad):
    with pytest.raises(ValueError, match="positive"):
        PixelSize(bad, 1.0, "nm")


def test_reciprocal_area_column():
    assert PixelSize(1, 1, "1/nm").area_unit == "(1/nm)²"
    assert PixelSize(1, 1, "1/nm").column_unit == "per_nm"
