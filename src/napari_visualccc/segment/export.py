"""Segmentation models as bioimage.io packages, for ilastik, deepImageJ, QuPath and others."""

from __future__ import annotations

import json
import keyword
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.files import atomic
from napari_visualccc.core.pixel_size import NANOMETRE, PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.segment.coverage import words_on_painted
from napari_visualccc.segment.model import SegmentationModel

# Pixels that a program which works tile by tile should throw away at the edges of a tile.
_HALO = 32
# As `napari_visualccc.models.normalise` clips before it measures mean and standard deviation.
_PERCENTILES = (0.5, 99.5)
# Added to the distance of the percentiles; all readers of packages take this, also those that overlook the number.
_EPSILON = 1e-6
# Of values in 0 … 1: an image of one grey becomes 0 everywhere.
_LEAST_VARIANCE = 1e-12
_NETWORK_PAPER = ("Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation",
                  "10.1007/978-3-319-24574-4_28")  # fmt: skip


@dataclass(frozen=True)
class Publication:
    """What a package says that a model does not know of itself.

    Attributes
    ----------
    name
        Short title.
    authors
        Full names.
    licence
        SPDX name, such as ``"CC-BY-4.0"``; empty if not stated.
    description
        One or two sentences.
    """

    name: str = ""
    authors: Sequence[str] = ()
    licence: str = ""
    description: str = ""


def export_bioimageio(
    model: SegmentationModel,
    path: str | Path,
    publication: Publication | None = None,
    *,
    progress: Progress | None = None,
) -> Path:
    """Write a model as a bioimage.io package (format 0.5, TorchScript), checked against the specification.

    Parameters
    ----------
    model
        A U-Net.
    path
        Ends in ``.zip``.
    publication
        Title, authors, licence.
    progress
        Reports and cancels.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OptionError
        If ``bioimageio.spec`` is not installed, the model is a pixel classifier, the path does not end in ``.zip``, or
        a title or licence is not accepted by the specification.
    OutputError
        If the file cannot be written.

    Notes
    -----
    The network takes one grey channel, float32, and gives class probabilities. The package asks for percentiles 0.5 and
    99.5 as 0 and 1 and for values clipped there, in the only steps for it that deepImageJ and QuPath know as well
    (``scale_range``, ``clip`` to numbers). Mean 0 and standard deviation 1 are made by the network:
    ``zero_mean_unit_variance`` after other steps would be wrong in `bioimageio.core` (0.11), which measures all that
    any step needs on the image as it comes. Programs that show the network tiles therefore scale by tiles. Other
    differences to `predict`: values beyond the percentiles are clipped, and other programs do not resample images to
    the model's pixel size, which is stated as the scale of the axes. A test image and its output are included, with
    which `bioimageio.core` and others check themselves. The card is kept under ``config``.
    """
    import torch

    progress = silent(progress)
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise OptionError(f"a bioimage.io package is a .zip file: name it {path.with_suffix('.zip').name}")
    try:
        from bioimageio import spec
    except ImportError as error:
        raise OptionError(
            "bioimage.io packages need another library: pip install 'napari-visualccc[bioimageio]'"
        ) from error
    publication = publication or Publication()
    progress(0.0, "tracing the network")
    network, step = _traceable(model)
    least = max(2 * step, 4 * _HALO)
    image = _test_image(least)
    with TemporaryDirectory(prefix="visualccc-") as folder:
        where = Path(folder)
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tracer's remarks on shapes that never vary in number
            traced = torch.jit.trace(network, torch.from_numpy(_scaled(image)), check_trace=False)
            traced.save(str(where / "weights.pt"))
            output = traced(torch.from_numpy(_scaled(image))).numpy()
        np.save(where / "input.npy", image)
        np.save(where / "output.npy", output)
        (where / "README.md").write_text(_document(model, publication), encoding="utf-8")
        progress(0.5, "writing the package")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                described = _describe(model, publication, where, step, least, torch.__version__.split("+")[0])
                with atomic(path) as temporary:
                    spec.save_bioimageio_package(described, output_path=temporary)
        except ValueError as error:  # pydantic's
            reason = " ".join(str(error).split())[:400]
            raise OptionError(f"the specification of bioimage.io does not accept this: {reason}") from error
    progress(1.0)
    return path


def _traceable(model: SegmentationModel) -> tuple[Any, int]:
    """Copy of the network from values in 0 … 1 to probabilities, and what the sides of images must be multiples of."""
    from copy import deepcopy

    from torch import nn

    from napari_visualccc.models.nn.unet import SegmentationNetwork

    if not isinstance(model.network, SegmentationNetwork):
        raise OptionError("Quick models work band by band, which TorchScript cannot record: export a U-Net")
    network = deepcopy(model.network).to("cpu").float().eval()
    normalised = nn.InstanceNorm2d(1, eps=_LEAST_VARIANCE)  # mean 0 and standard deviation 1 of each image
    return nn.Sequential(normalised, network, nn.Softmax(dim=1)).eval(), network.multiple


def _test_image(size: int) -> NDArray[np.float32]:
    """Smooth random grey values with a few dead pixels, shape (1, 1, size, size)."""
    from scipy.ndimage import gaussian_filter

    noise = np.random.default_rng(0).normal(size=(size, size))
    values: NDArray[np.float64] = 1000 + 400 * gaussian_filter(noise, 4) / 0.07 + 20 * noise
    values[::50, ::50] = 60_000
    return values.astype(np.float32)[None, None]


def _scaled(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the preprocessing named in the package makes of an image."""
    low, high = np.percentile(image, _PERCENTILES)
    return np.asarray((image - low) / (high - low + _EPSILON), np.float32).clip(0, 1)


def _describe(
    model: SegmentationModel, publication: Publication, folder: Path, step: int, least: int, torch_version: str
) -> Any:
    from bioimageio.spec.model import v0_5 as b

    def file(name: str) -> Any:
        return b.FileDescr(source=folder / name)

    scales = _axes_scale(model.card.pixel_size)
    space = [
        b.SpaceInputAxis(id=b.AxisId(axis), size=b.ParameterizedSize(min=least, step=step), **scales[axis])
        for axis in "yx"
    ]
    outer = [
        b.SpaceOutputAxisWithHalo(
            id=b.AxisId(axis), halo=_HALO, **scales[axis],
            size=b.SizeReference(tensor_id=b.TensorId("image"), axis_id=b.AxisId(axis)),
        )
        for axis in "yx"
    ]  # fmt: skip
    channels: Any = [b.Identifier(name) for name in _channel_names(model.card.classes)]
    image = b.InputTensorDescr(
        id=b.TensorId("image"), description="electron micrograph, one grey channel",
        axes=[b.BatchAxis(), b.ChannelAxis(channel_names=[b.Identifier("intensity")]), *space],
        test_tensor=file("input.npy"), data=b.IntervalOrRatioDataDescr(type="float32"),
        preprocessing=[
            b.ScaleRangeDescr(
                kwargs=b.ScaleRangeKwargs(
                    axes=[b.AxisId("channel"), b.AxisId("y"), b.AxisId("x")],  # each image by itself
                    min_percentile=_PERCENTILES[0], max_percentile=_PERCENTILES[1], eps=_EPSILON,
                )
            ),
            b.ClipDescr(kwargs=b.ClipKwargs(min=0.0, max=1.0)),
        ],
    )  # fmt: skip
    probabilities = b.OutputTensorDescr(
        id=b.TensorId("probabilities"), description="probability of each phase",
        axes=[b.BatchAxis(), b.ChannelAxis(channel_names=channels), *outer],
        test_tensor=file("output.npy"), data=b.IntervalOrRatioDataDescr(type="float32", range=(0.0, 1.0)),
    )  # fmt: skip
    weights = b.TorchscriptWeightsDescr(source=folder / "weights.pt", pytorch_version=b.Version(torch_version))
    names = ", ".join(one.name for one in model.card.classes)
    return b.ModelDescr(
        name=publication.name or "Phases in electron micrographs",
        description=(publication.description or f"Segments electron micrographs into: {names}")[:1024],
        authors=[b.Author(name=name) for name in publication.authors or ("not stated",)],
        cite=[b.CiteEntry(text=_NETWORK_PAPER[0], doi=b.Doi(_NETWORK_PAPER[1]))],
        license=b.LicenseId(publication.licence) if publication.licence else None,
        documentation=b.FileDescr(source=folder / "README.md"),
        tags=["electron-microscopy", "materials-science", "semantic-segmentation", "2d", "pytorch"],
        inputs=[image], outputs=[probabilities], weights=b.WeightsDescr(torchscript=weights),
        config=b.Config.model_validate({"visualccc": json.loads(model.card.to_json())}),
    )  # fmt: skip


def _axes_scale(size: PixelSize) -> dict[str, dict[str, Any]]:
    if size.unit != NANOMETRE:
        return {"y": {}, "x": {}}
    return {axis: {"unit": "nanometer", "scale": float(scale)} for axis, scale in (("y", size.y), ("x", size.x))}


def _channel_names(classes: Sequence[ClassInfo]) -> list[str]:
    """Names of the classes as the specification takes them; with their label values if they are the same otherwise.

    Examples
    --------
    >>> grey = (0.5, 0.5, 0.5, 1.0)
    >>> _channel_names([ClassInfo(1, "matrix 1", grey), ClassInfo(2, "class", grey)])
    ['matrix_1', 'phase_class']
    >>> _channel_names([ClassInfo(1, "γ", grey), ClassInfo(2, "γ′", grey)])
    ['phase_1', 'phase_2']
    """
    names = [_identifier(one.name) for one in classes]
    if len(set(names)) == len(names):
        return names
    return [f"{name}_{one.value}" for name, one in zip(names, classes, strict=True)]


def _identifier(name: str) -> str:
    """Letters, digits and underscores, that are no word of Python's own."""
    plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "phase"
    return f"phase_{plain}" if plain[0].isdigit() or keyword.iskeyword(plain) else plain


def _document(model: SegmentationModel, publication: Publication) -> str:
    card = model.card
    size = card.pixel_size
    lines = [
        f"# {publication.name or 'Phases in electron micrographs'}", "", publication.description, "",
        "Made with napari-visualccc. Channels: "
        + "; ".join(f"{i} = {one.name} (label {one.value})" for i, one in enumerate(card.classes)) + ".", "",
        f"Learnt at {size}: resample other images to that before use." if size.is_calibrated
        else "Learnt on images without calibration.", "",
        "Normalisation: " + card.normalisation, "", "## Validation", "",
    ]  # fmt: skip
    numbers = {key: value for key, value in card.metrics.items() if isinstance(value, float | int | str)}
    numbers |= {f"IoU {name}": value for name, value in card.metrics.get("iou", {}).items()}
    lines += [f"- {key}: {value}" for key, value in numbers.items()] or ["Nothing was held out to measure on."]
    lines += [f"- {word}" for word in words_on_painted(card.metrics)]
    return "\n".join([*lines, "", "## Training", "", f"`{card.training.get('command', 'not recorded')}`", ""])
