"""Whether a training looks at the local power spectrum: as the options say, or as the images ask for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.params import AUTO
from napari_visualccc.models.architectures import WITH_LATTICE
from napari_visualccc.segment.options import TrainOptions

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import TrainingState

_log = logging.getLogger(__name__)
_SPECTRUM = "best.spectrum."


def looks_at_lattice(options: TrainOptions, images: Sequence[NDArray[np.float32]], had: bool | None = None) -> bool:
    """Whether the network is to have the local power spectrum.

    Parameters
    ----------
    options
        ``lattice`` decides unless it is ``"auto"``.
    images
        To learn from, normalised: with ``"auto"`` it is asked whether they show lattice fringes.
    had
        Whether the network that is gone on from has it: with ``"auto"`` it stays what it was, whatever images have come
        in since. None if a new training begins.
    """
    if options.lattice != AUTO:
        return options.lattice == "on"
    if had is not None:
        return had
    from napari_visualccc.models.nn.spectra import shows_lattice

    found = options.decoder in WITH_LATTICE and shows_lattice(images)
    if found:
        _log.info("lattice fringes are seen: the network is shown the local power spectrum, too")
    return found


def had_lattice(state: TrainingState) -> bool:
    """Whether the network of an earlier training had the local power spectrum."""
    return any(name.startswith(_SPECTRUM) for name in state.tensors)
