"""Steps that take noise away: Gaussian, median, bilateral, non-local means, total variation, wavelet, Anscombe."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from napari_visualccc.core.noise import noise_sigma
from napari_visualccc.core.params import Options, option
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.median import median
from napari_visualccc.processing.noise import Detector, detector_of
from napari_visualccc.processing.starlet import starlet_denoise, starlet_reach
from napari_visualccc.processing.step import Here, Step, Values, gaussian_halo, odd

_STRENGTH = "1 removes noise of the strength that was measured in the image; more also smooths structure."
# Chambolle's iteration hardly moves after that; scikit-image would go on to 200.
_TV_ITERATIONS = 60


@dataclass(frozen=True)
class GaussianOptions(Options):
    """Blur with a Gaussian: the fastest way to less noise, at the price of sharpness."""

    sigma: str = option(
        "1px", kind="length", label="Width σ", minimum=0.0, maximum=500.0,
        help="Standard deviation of the Gaussian.",
    )  # fmt: skip


def _gaussian(values: Values, options: GaussianOptions, here: Here) -> Values:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(values, here.frame.pixels(options.sigma), mode="nearest"))


def _gaussian_reach(options: GaussianOptions, frame: Frame) -> tuple[int, int]:
    return gaussian_halo(frame.pixels(options.sigma))


@dataclass(frozen=True)
class MedianOptions(Options):
    """Replace each pixel by the median of a square around it: removes single bright or dark pixels and keeps edges."""

    width: str = option(
        "3px", kind="length", label="Width", minimum=1.0, maximum=101.0,
        help="Edge of the square; an odd number of pixels is taken.",
    )  # fmt: skip


def _median(values: Values, options: MedianOptions, here: Here) -> Values:
    y, x = (odd(n) for n in here.frame.pixels(options.width))
    return median(values, (y, x))


def _median_reach(options: MedianOptions, frame: Frame) -> tuple[int, int]:
    y, x = (odd(n) // 2 for n in frame.pixels(options.width))
    return y, x


@dataclass(frozen=True)
class BilateralOptions(Options):
    """Average neighbours of like brightness only: smooths inside of phases and keeps their borders."""

    sigma: str = option(
        "2px", kind="length", label="Width σ", minimum=0.3, maximum=20.0,
        help="Standard deviation over distance.",
    )  # fmt: skip
    contrast: float = option(
        3.0, label="Contrast kept", minimum=0.1, maximum=100.0, step=0.5,
        help="Differences larger than this many standard deviations of the noise are kept.",
    )  # fmt: skip


def _bilateral(values: Values, options: BilateralOptions, here: Here) -> Values:
    from skimage.restoration import denoise_bilateral

    sigma, low = here.measured
    if sigma == 0:
        return values
    reach = _bilateral_reach(options, here.frame)[0]
    filtered = denoise_bilateral(
        values.astype(np.float64) - low, win_size=2 * reach + 1, sigma_color=options.contrast * sigma,
        sigma_spatial=float(np.mean(here.frame.pixels(options.sigma))), mode="edge",
    )  # fmt: skip
    return np.asarray(filtered + low)


def _bilateral_reach(options: BilateralOptions, frame: Frame) -> tuple[int, int]:
    reach = max(1, ceil(2 * float(np.mean(frame.pixels(options.sigma)))))
    return reach, reach


def _noise_and_floor(values: Values, options: Any, frame: Frame) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return noise_sigma(values), float(finite.min()) if finite.size else 0.0


def _noise(values: Values, options: Any, frame: Frame) -> float:
    return noise_sigma(values)


@dataclass(frozen=True)
class NlmOptions(Options):
    """Non-local means: average patches that look alike; best on lattices and repeated texture, slow."""

    strength: float = option(1.0, label="Strength", minimum=0.1, maximum=10.0, step=0.1, help=_STRENGTH)
    patch: int = option(
        5, label="Patch", minimum=3, maximum=15, step=2, unit="px", advanced=True, help="Edge of the patches compared."
    )
    distance: int = option(
        6, label="Search", minimum=2, maximum=30, unit="px", advanced=True, help="How far away patches are looked for."
    )


def _nlm(values: Values, options: NlmOptions, here: Here) -> Values:
    return _nlm_of(values, options.strength * here.measured, here.measured, options.patch, options.distance)


def _nlm_of(values: Values, h: float, sigma: float, patch: int = 5, distance: int = 6) -> Values:
    from skimage.restoration import denoise_nl_means

    if h == 0 or min(values.shape) < 2:
        return values
    # In units of the noise, so that grey levels of 1e-12 and of 1e6 work alike.
    scaled = values.astype(np.float64) / sigma
    done = denoise_nl_means(scaled, patch, distance, h=0.8 * h / sigma, sigma=1.0, fast_mode=True)
    return np.asarray(done * sigma)


def _nlm_reach(options: NlmOptions, frame: Frame) -> tuple[int, int]:
    reach = options.distance + options.patch // 2 + 1
    return reach, reach


@dataclass(frozen=True)
class TvOptions(Options):
    """Total variation: make surfaces flat and keep steps; for images of few phases."""

    strength: float = option(1.0, label="Strength", minimum=0.05, maximum=20.0, step=0.1, help=_STRENGTH)


def _tv(values: Values, options: TvOptions, here: Here) -> Values:
    return _tv_of(values, options.strength * here.measured)


def _tv_of(values: Values, weight: float) -> Values:
    from skimage.restoration import denoise_tv_chambolle

    if weight == 0 or min(values.shape) < 2:
        return values
    # In units of the noise, where Chambolle's weight 1 takes away about one standard deviation.
    scaled = values.astype(np.float64) / weight
    return np.asarray(denoise_tv_chambolle(scaled, weight=1.0, max_num_iter=_TV_ITERATIONS) * weight)


@dataclass(frozen=True)
class WaveletOptions(Options):
    """Wavelets: take what is weaker than noise out of each scale; keeps faint large structure (starlet transform)."""

    strength: float = option(
        3.0, label="Threshold", minimum=0.1, maximum=20.0, step=0.5,
        help="Coefficients below this many standard deviations of the noise are taken out.",
    )  # fmt: skip
    scales: int = option(
        4, label="Scales", minimum=1, maximum=6, help="How many scales, each twice as coarse, are cleaned."
    )


def _wavelet(values: Values, options: WaveletOptions, here: Here) -> Values:
    return starlet_denoise(values, options.strength * here.measured, options.scales)


def _wavelet_reach(options: WaveletOptions, frame: Frame) -> tuple[int, int]:
    reach = starlet_reach(options.scales)
    return reach, reach


@dataclass(frozen=True)
class AnscombeOptions(Options):
    """For images of few electrons: make the noise equal everywhere (Anscombe), denoise, go back without bias."""

    method: str = option(
        "wavelet", label="Method", choices=("wavelet", "tv", "nlm", "gaussian"), help="What denoises in between."
    )
    strength: float = option(1.0, label="Strength", minimum=0.1, maximum=10.0, step=0.1, help=_STRENGTH)
    gain: Any = option(
        "auto", label="Gain", kind="float", auto=True, minimum=1e-9, maximum=1e9, advanced=True,
        help="Grey levels per electron; 'auto' measures it: noise over brightness.",
    )  # fmt: skip
    offset: Any = option(
        "auto", label="Offset", kind="float", auto=True, minimum=-1e9, maximum=1e9, advanced=True,
        help="Grey level without electrons.",
    )  # fmt: skip


def _anscombe(values: Values, options: AnscombeOptions, here: Here) -> Values:
    model: Detector = here.measured
    if model.gain == 0:
        return _in_between(values, options, model.sigma)
    even = anscombe(values, model.gain, model.offset)
    return inverse_anscombe(_in_between(even, options, 1.0), model.gain, model.offset)


def _in_between(values: Values, options: AnscombeOptions, sigma: float) -> Values:
    match options.method:
        case "wavelet":
            return starlet_denoise(values, 3 * options.strength * sigma, 4)
        case "tv":
            return _tv_of(values, options.strength * sigma)
        case "nlm":
            return _nlm_of(values, options.strength * sigma, sigma)
        case _:
            from scipy.ndimage import gaussian_filter

            return np.asarray(gaussian_filter(values, options.strength, mode="nearest"))


def _detector(values: Values, options: AnscombeOptions, frame: Frame) -> Detector:
    found = detector_of(values)
    gain = found.gain if options.gain == "auto" else float(options.gain)
    offset = found.offset if options.offset == "auto" else float(options.offset)
    return Detector(gain, offset, found.sigma)


def anscombe(values: Values, gain: float = 1.0, offset: float = 0.0) -> Values:
    """Values whose noise has the standard deviation 1 if ``(values - offset) / gain`` are counted electrons.

    References
    ----------
    Anscombe, Biometrika 35 (1948) 246, doi:10.1093/biomet/35.3-4.246
    """
    counts = (values.astype(np.float64) - offset) / gain
    return np.asarray(2 * np.sqrt(np.maximum(counts + 3 / 8, 0)))


def inverse_anscombe(values: Values, gain: float = 1.0, offset: float = 0.0) -> Values:
    """Expected value of what gave these transformed values: the exact unbiased inverse, in closed form.

    References
    ----------
    Mäkitalo & Foi, IEEE Trans. Image Process. 20 (2011) 2697, doi:10.1109/TIP.2011.2121085
    """
    # Below 2 sqrt(3/8), the transform of no count at all, the expected count is 0.
    d = np.maximum(values, 2 * np.sqrt(3 / 8))
    root = np.sqrt(3 / 2)
    counts = d**2 / 4 + root / 4 / d - 11 / 8 / d**2 + 5 / 8 * root / d**3 - 1 / 8
    return np.asarray(np.maximum(counts, 0) * gain + offset)


def _anscombe_reach(options: AnscombeOptions, frame: Frame) -> tuple[int, int]:
    reach = {"wavelet": starlet_reach(4), "nlm": 9}.get(options.method, ceil(4 * options.strength) + 1)
    return reach, reach


_GROUP = "Denoise"
STEPS = (
    Step("gaussian", "Gaussian blur", _GROUP, GaussianOptions, _gaussian, _gaussian_reach),
    Step("median", "Median", _GROUP, MedianOptions, _median, _median_reach),
    Step("bilateral", "Bilateral", _GROUP, BilateralOptions, _bilateral, _bilateral_reach, _noise_and_floor),
    Step("nlm", "Non-local means", _GROUP, NlmOptions, _nlm, _nlm_reach, _noise),
    Step("tv", "Total variation", _GROUP, TvOptions, _tv, None, _noise),
    Step("wavelet", "Wavelet", _GROUP, WaveletOptions, _wavelet, _wavelet_reach, _noise),
    Step("anscombe", "Poisson noise (Anscombe)", _GROUP, AnscombeOptions, _anscombe, _anscombe_reach, _detector),
)
