"""Learning in smaller bites when memory runs out, and saying in words what can be mended when nothing helps."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from napari_visualccc.core.errors import OptionError

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import TrainingState

    Keep = Callable[[TrainingState], None]

_log = logging.getLogger(__name__)
# What torch says where batch normalisation has nothing to average over.
_ONE_VALUE = "more than 1 value per channel"
# With fewer patches, batch normalisation learns the grey values of one place.
_FEWEST_PATCHES = 2
Learnt = TypeVar("Learnt")


def learn_in_bites(
    learn: Callable[[tuple[int, int], TrainingState | None, Keep], Learnt],
    patch: tuple[int, int],
    multiple: int,
    state: TrainingState | None = None,
    keep: Keep | None = None,
) -> tuple[Learnt, str]:
    """Learn; if memory runs out, go on from the last state with half the patches per step, then with smaller ones.

    Parameters
    ----------
    learn
        Given the edge of a patch and the patches per step, the state to go on from, and what to give each state to.
    patch
        To try first.
    multiple
        Patches have edges of so many pixels, or twice, three times … as many.
    state
        To go on from.
    keep
        Given each state.

    Returns
    -------
    learnt
        What `learn` gave.
    remark : str
        What was done about the memory, in words; empty if nothing had to be.

    Raises
    ------
    OptionError
        If memory runs out even so, the training diverged, or the network cannot learn from one patch per step.
    """
    import torch

    from napari_visualccc.models.nn.segmenter import is_out_of_memory

    remark = ""

    def remember(new: TrainingState) -> None:
        nonlocal state
        state = replace(new, history=list(new.history))
        if keep is not None:
            keep(new)

    while True:
        with _in_words(patch):
            try:
                return learn(patch, state, remember), remark
            except (MemoryError, RuntimeError) as error:
                smaller = _smaller(patch, multiple)
                if smaller == patch or not is_out_of_memory(error):
                    raise
        patch = smaller
        remark = f"memory ran out: it was learnt from {patch[1]} patches of {patch[0]} pixels per step"
        _log.warning("memory ran out: going on with %d patches of %d pixels per step", patch[1], patch[0])
        gc.collect()  # what the training that failed still holds
        torch.cuda.empty_cache()


def _smaller(patch: tuple[int, int], multiple: int) -> tuple[int, int]:
    edge, batch = patch
    if batch > _FEWEST_PATCHES:
        return edge, max(_FEWEST_PATCHES, batch // 2)
    # Two multiples at least, as in `preparation.patch_of`.
    return min(edge, max(2, edge // (2 * multiple)) * multiple), batch


@contextmanager
def _in_words(patch: tuple[int, int]) -> Iterator[None]:
    """Say in words what can be mended when learning from patches (their edge, how many of them per step) fails."""
    from napari_visualccc.models.nn.fit import Diverged
    from napari_visualccc.models.nn.segmenter import is_out_of_memory

    edge, batch = patch
    try:
        yield
    except Diverged as error:
        raise OptionError(f"training went astray ({error}): choose a smaller learning rate") from error
    except (MemoryError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise OptionError(
                f"the training does not fit into memory: make the patches ({edge} pixels) smaller, or take fewer of "
                f"them per step ({batch})"
            ) from error
        if _ONE_VALUE in str(error):
            raise OptionError(
                f"this network cannot learn from {batch} patch of {edge} pixels per step: take more patches per step"
            ) from error
        raise
