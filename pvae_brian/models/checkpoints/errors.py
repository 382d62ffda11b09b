"""The error of a file that is no checkpoint."""

import textwrap


class CheckpointError(ValueError):
    """A file that cannot be read as a checkpoint.

    The message says what was expected, what came, and what to do.
    """


def one_line(error: Exception) -> str:
    """What an error says, on one line of bounded length."""
    return textwrap.shorten(str(error) or type(error).__name__, 300, placeholder=" ...")
