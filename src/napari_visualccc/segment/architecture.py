"""Which network a training is of: as the options say, or the one that it goes on from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.params import AUTO
from napari_visualccc.segment.checkpoints import checkpoint_architecture
from napari_visualccc.segment.lattice import had_lattice, looks_at_lattice
from napari_visualccc.segment.options import TrainOptions

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import TrainingState
    from napari_visualccc.models.nn.unet import Architecture

_LAST = "best.head.weight"


def architecture_of(
    options: TrainOptions,
    classes: int,
    images: Sequence[NDArray[np.float32]],
    state: TrainingState | None = None,
    checkpoint: str | Path | None = None,
) -> Architecture:
    """What is needed to build the network.

    Parameters
    ----------
    options
        Encoder, decoder, field of view, lattice fringes, and the weights to begin with.
    classes
        Number of phases.
    images
        To learn from, normalised: they are asked whether they show lattice fringes if the options leave that open.
    state, checkpoint
        Of a training to go on from, by this or an earlier version: what the options leave open stays as it was.
    """
    from napari_visualccc.models.nn.unet import Architecture

    earlier = checkpoint_architecture(checkpoint) if checkpoint is not None and state is None else None
    had = None if earlier is None else earlier.lattice
    if state is not None and state.tensors:
        had = had_lattice(state)
    lattice = looks_at_lattice(options, images, had)
    made = Architecture(
        options.decoder, options.encoder, classes, int(options.reduction), lattice, width=_width(options, state)
    )
    # The same one, but for what no option tells.
    if earlier is not None and replace(made, head_kernel=earlier.head_kernel, width=earlier.width) == earlier:
        return earlier
    return made


def _width(options: TrainOptions, state: TrainingState | None) -> int:
    """That of the network gone on from, or of the model begun with: only so can all of it be taken over."""
    from napari_visualccc.models.nn.encoders import shipped_weights, width_in

    if state is not None and state.tensors and int(options.reduction) > 1:
        return int(state.tensors[_LAST].shape[1])
    return width_in(shipped_weights().get(options.encoder) if options.weights == AUTO else Path(options.weights))
