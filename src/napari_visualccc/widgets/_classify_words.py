"""What the Classify widget says is to be done next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_visualccc.classify import TrainResult

TRAINING = "Train classifier"
_WORKING = "Working … the viewer stays usable; Cancel keeps what was there."
_TUNING = "Training … the viewer stays usable. Stop keeps the best model so far, Cancel what was there before."


def next_step(
    *, running: bool, tuning: bool, nothing: bool, labelled: bool, ready: bool, note: str, trained: bool
) -> str:
    """The hint at the top.

    Parameters
    ----------
    running
        A job is at work.
    tuning
        It fine-tunes, which can be ended early.
    nothing
        There is no image and there are no labelled files.
    labelled, ready
        Some plane has a class; enough have to train.
    note
        What just happened.
    trained
        There is a model.
    """
    if running:
        return _TUNING if tuning else _WORKING
    if nothing:
        return note or "Open a stack of micrographs, or choose labelled files, to begin."
    if not labelled:
        return note or "Name the classes, tick “Number keys”, and press 1, 2, … while you browse the planes."
    if not ready:
        return "Label at least two planes of each of two classes (ten of each is a good beginning)."
    if note:
        return note
    return "Label more planes and train again, predict, or ask why." if trained else "Press Train."


def after_training(result: TrainResult) -> str:
    """The hint once a model was trained."""
    from napari_visualccc.classify.finetune import NO_BETTER

    if result.evaluation is None:
        return "Trained, but there are too few planes to say how good it is: label more."
    look = "look at “How good is it?” below, and at the planes that it is unsure of."
    return f"Trained, but {NO_BETTER}; {look}" if NO_BETTER in result.notes else f"Trained: {look}"
