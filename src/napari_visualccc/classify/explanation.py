"""Explain what a network answers: heatmaps of images and stacks at their own pixels, with a judgement beside them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.explanation_notes import note_on_lattice, note_on_trust, notes_on, spread_of
from napari_visualccc.classify.explanation_options import METHODS, OWN_SCALE, ExplainOptions
from napari_visualccc.classify.explanation_questions import Model, target_of
from napari_visualccc.classify.explanation_result import Explanation
from napari_visualccc.classify.explanation_task import ExplanationTask
from napari_visualccc.core.errors import InputError
from napari_visualccc.core.params import specs, to_arguments
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Stopwatch, fingerprint
from napari_visualccc.core.runtime import Device, choose_device

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.nn.explainer import Explainer


def explain(
    model: Model,
    images: Any,
    options: ExplainOptions | None = None,
    *,
    region: Any = None,
    pixel_size: PixelSize | None = None,
    name: str = "image",
    arguments: Sequence[str] | None = None,
    rgb: bool | None = None,
    device: Device | str = Device.AUTO,
    explainer: Explainer | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Show what in an image or stack speaks for a class.

    Parameters
    ----------
    model
        A classifier, or a network that segments.
    images
        Array of shape (Y, X), (…, Y, X) or RGB(A), of any number type, NumPy or dask; or `Planes`.
    options
        See `ExplainOptions`.
    region
        For networks that segment: mask of the pixels that are asked about (not 0), shape of the images or of one plane;
        by default the options say.
    pixel_size
        Of the images; those that differ from the model's are resampled for the network and the heat brought back.
    name
        Name of the source, for the record.
    arguments
        How the command line is told of model and image, for the record.
    rgb
        Whether the last axis holds colours; None guesses.
    device
        Where to compute.
    explainer
        The model made ready for this machine, to be used for several images.
    progress
        Reports and cancels.

    Raises
    ------
    InputError
        If there is no finite pixel or no image, or the region does not fit.
    OptionError
        If the model has no such class or layer.
    Cancelled
        From `progress`.

    Notes
    -----
    Heat is what speaks *for* the class; what speaks against it is not shown. Planes go through the network in batches.
    Each cell of a layer is put where its pixels are (see `napari_visualccc.models.nn.cam_layers.Grid`), and
    resampling, padding and crops are undone.
    """
    from napari_visualccc.models.nn.explainer import PIXEL_METHODS, Explainer

    options = options or ExplainOptions()
    progress = silent(progress)
    watch = Stopwatch()
    planes = as_planes(images, rgb=rgb, name=name)
    regions, pixel_size = _region_planes(region, planes), pixel_size or PixelSize()
    target = target_of(model.card, options)
    progress(0.0, "loading the network")
    explainer = explainer or Explainer(model.network, choose_device(device))
    layer = "" if options.method in PIXEL_METHODS else explainer.layer_for(options.layer)
    task = ExplanationTask(model, planes, options, target, explainer, regions, pixel_size)
    task.run(progress.part(0, 0.6 if options.faithfulness else 1))
    table = task.table()
    trust: dict[str, float] = {}
    if options.faithfulness:
        judged = task.judge(progress.part(0.6, 1))
        if len(judged):
            trust = {str(key): float(value) for key, value in judged.drop(columns="plane").mean().items()}
            table = table.merge(judged, on="plane", how="left")
    comparable, note = _scale(options, table)
    unasked = len(table) - len(task.asked)
    if unasked:
        note += f"; no pixel is called so in {unasked} of {len(table)} planes: nothing was asked there, nothing is hot"
    heat = _scaled(task.heat, table["peak"].to_numpy(), comparable)
    spread = spread_of(heat)
    if spread.brightest < 1:
        note += f"; colours are brightest from {spread.brightest:g} on"
    is_answer = model.card.task != "segment" or (regions is None and options.region == "class")
    notes = notes_on(
        table[table["plane"].isin(task.asked)], options.method, spread,
        chance=1 / len(model.card.classes) if is_answer else None,
    ) + note_on_trust(trust) + note_on_lattice(model.card, options.method)  # fmt: skip
    command = [
        "visualccc", "explain", *(arguments or ["MODEL", name, "--output", "explained"]), *to_arguments(options)
    ]  # fmt: skip
    record = options.as_dict() | {"device": explainer.device, "layer": layer, "scale_note": note, "trust": trust}
    record |= {"notes": list(notes)}
    provenance = Provenance(
        "explain", record, name, fingerprint(planes), shlex.join(command), options.seed, model.hash or None,
        watch.seconds,
    )  # fmt: skip
    return Explanation(
        provenance, planes.fold(heat), table, options.method, layer, comparable, note, trust, pixel_size,
        spread.brightest, notes,
    )  # fmt: skip


def check_sanity(
    model: Model,
    images: Any,
    explanation: Explanation,
    *,
    region: Any = None,
    explainer: Explainer | None = None,
    device: Device | str = Device.AUTO,
    most_planes: int = 4,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Check that heatmaps depend on what the network has learnt (model randomisation, Adebayo et al. 2018).

    Parameters
    ----------
    model, images
        As they were explained.
    explanation
        What `explain` gave.
    region
        As `explain` was given it.
    explainer
        The model made ready for this machine.
    device
        Where to compute.
    most_planes
        At most so many planes are looked at, evenly spread.
    progress
        Reports and cancels.

    Raises
    ------
    InputError
        If the region does not fit.
    Cancelled
        From `progress`.

    Returns
    -------
    DataFrame
        See `napari_visualccc.classify.explanation_trust.randomisation_check`.
    """
    from napari_visualccc.models.nn.explainer import Explainer

    options = ExplainOptions(
        **{spec.name: explanation.provenance.parameters[spec.name] for spec in specs(ExplainOptions)}
    )
    planes = as_planes(images)
    regions = _region_planes(region, planes)
    target = target_of(model.card, options)
    explainer = explainer or Explainer(model.network, choose_device(device))
    task = ExplanationTask(model, planes, options, target, explainer, regions, explanation.pixel_size)
    return task.check_sanity(most_planes, silent(progress))


def _region_planes(region: Any, planes: Planes) -> Planes | None:
    if region is None:
        return None
    regions = as_planes(region, rgb=False, name="the region")
    if regions.plane_shape != planes.plane_shape or len(regions) not in (1, len(planes)):
        raise InputError(f"the region has the shape {regions.shape}, the image {planes.shape}: they must be the same")
    return regions


def _scale(options: ExplainOptions, table: pd.DataFrame) -> tuple[bool, str]:
    """Whether heat can be compared between planes, and what its scale is, in words."""
    if options.method in OWN_SCALE:
        return False, f"each plane from 0 to 1, not comparable between planes: {OWN_SCALE[options.method]}"
    if options.scale == "plane":
        return False, "each plane from 0 to 1, not comparable between planes"
    peak = float(table["peak"].max())
    note = f"1 is {peak:.4g} of the class's score in one cell of {METHODS[options.method]}, the same for all planes"
    if table["class"].nunique() > 1:
        note += "; planes are explained for different classes, whose scores have scales of their own"
    return True, note


def _scaled(heat: NDArray[np.float32], peaks: NDArray[np.float64], comparable: bool) -> NDArray[np.float32]:
    tops = np.full(len(peaks), peaks.max()) if comparable else peaks
    for index, top in enumerate(tops):
        if top > 0:
            heat[index] /= np.float32(top)
    return heat
