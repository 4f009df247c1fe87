"""What the Classify widget says is to be done next."""

from __future__ import annotations

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
