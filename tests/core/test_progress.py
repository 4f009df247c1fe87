import pytest

from napari_visualccc.core.progress import Cancelled, Progress, silent


def test_parts_nest():
    seen = []
    progress = Progress(lambda fraction, message: seen.append((round(fraction, 3), message)))
    progress.part(0.5, 1.0).part(0.0, 0.5)(0.5, "half of a half")
    assert seen == [(0.625, "half of a half")]


def test_cancel_raises_at_the_next_call_also_in_parts():
    stop = False
    progress = Progress(is_cancelled=lambda: stop)
    progress(0.1)
    stop = True
    for call in (progress.check, lambda: progress(0.2), lambda: progress.part(0, 1)(0.3)):
        with pytest.raises(Cancelled):
            call()


def test_fractions_stay_within_bounds():
    seen = []
    progress = Progress(lambda fraction, _: seen.append(fraction))
    progress(-1)
    progress(7)
    assert seen == [0, 1]


def test_silent_reports_to_nobody():
    assert list(silent(None).steps(range(3))) == [0, 1, 2]
