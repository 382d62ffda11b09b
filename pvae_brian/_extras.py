"""Packages that only some users need: an error that says how to get them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def needs_extra(name: str, reason: str) -> Iterator[None]:
    """Let a failing import in the body say which extra of this package to install.

    Parameters
    ----------
    name : str
        The extra, as in ``pvae_brian[name]``.
    reason : str
        What needs which package, to begin the message.

    Raises
    ------
    ImportError
        If an import in the body fails.

    Examples
    --------
    >>> with needs_extra("data", "this example needs no_such_package"):
    ...     import no_such_package
    Traceback (most recent call last):
        ...
    ImportError: this example needs no_such_package, which cannot be imported here; \
install it with: pip install "pvae_brian[data]"
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"{reason}, which cannot be imported here; "
            f'install it with: pip install "pvae_brian[{name}]"'
        ) from error
