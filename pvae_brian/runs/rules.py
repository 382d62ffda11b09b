"""What the fields of a provenance may be: for ``run.json``, which anyone may have written."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

from pvae_brian.runs.files import is_digest, is_file_name


def check_fields(fields: object) -> dict[str, Any]:
    """Return the fields of a `Provenance`, or raise.

    Raises
    ------
    ValueError
        If they are not given by name, if one is missing, unknown or of a value that it cannot
        have, or if those of the checkpoint do not belong together.

    Examples
    --------
    >>> check_fields([])
    Traceback (most recent call last):
        ...
    ValueError: a provenance must hold fields by name, got []
    """
    if not isinstance(fields, dict):
        raise ValueError(f"a provenance must hold fields by name, got {fields!r:.80}")
    missing, unknown = sorted(_RULES.keys() - fields), sorted(fields.keys() - _RULES)
    if missing or unknown:
        raise ValueError(f"a provenance lacks {missing!r:.200}, or has unknown {unknown!r:.200}")
    for name, is_right in _RULES.items():
        if not is_right(fields[name]):
            raise ValueError(f"{name} of a provenance cannot be {fields[name]!r:.80}")
    file, digests = fields["model_file"], fields["model_sha256"]
    if (file is None) != (digests is None) or (isinstance(digests, dict) and file not in digests):
        raise ValueError("model_file and model_sha256 of a provenance are not of the same files")
    return fields


def _or_none(is_right: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: value is None or is_right(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_date(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.date.fromisoformat(value))
    except ValueError:
        return False


def _are_digests(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(is_file_name, value)) and all(map(is_digest, value.values()))
    return is_digest(value)


_RULES = {
    "command": _or_none(_is_text),
    "seed": lambda value: _is_integer(value) and 0 <= value < 2**32,
    "device": _is_text,
    "n_steps": lambda value: _is_integer(value) and value >= 1,
    "window_s": lambda value: isinstance(value, float) and 0 < value < math.inf,
    "neuron": _is_text,
    "record": lambda value: value in ("counts", "times"),
    "n_stimuli": _is_integer,
    "n_latents": _is_integer,
    "counts_sha256": is_digest,
    "versions": lambda value: (
        isinstance(value, dict) and all(map(_is_text, (*value, *value.values())))
    ),
    "platform": _is_text,
    "created": _is_date,
    "model_file": _or_none(is_file_name),
    "model_sha256": _or_none(_are_digests),
    "epoch": _or_none(_is_integer),
    "ema": lambda value: isinstance(value, bool),
    "rate_clamp": _or_none(
        lambda value: value == "as trained" or (isinstance(value, float) and math.isfinite(value))
    ),
    "log_rate_sha256": _or_none(is_digest),
    "images_file": _or_none(is_file_name),
    "images_sha256": _or_none(is_digest),
}
