"""Errors that a user can do something about.

Each message names the file or layer, what was expected and what to do. Widgets show them as a
notification, the command line as one line and exit code 2. Anything else that is raised is a bug.
"""


class VisualCCCError(Exception):
    """Base of all errors that are meant for the user."""


class InputError(VisualCCCError):
    """The image or labels given cannot be worked on (empty, 1-D, wrong shape, nothing finite)."""


class OptionError(VisualCCCError):
    """An option lies outside its limits or does not fit the input."""


class FileFormatError(VisualCCCError):
    """A file cannot be read: foreign, truncated, or without an image in it."""


class OutputError(VisualCCCError):
    """A file cannot be written: no permission, disk full, or the target exists."""


class CalibrationWarning(UserWarning):
    """A pixel size in a file is missing or impossible and was replaced by plain pixels."""


class ModelError(VisualCCCError):
    """A model file is not one of ours, is damaged, or does not do what it is asked for."""
