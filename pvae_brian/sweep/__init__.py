"""Studies of beta and K: many models trained, simulated and measured, on one machine or many.

Needs more than the rest of the package: pip install "pvae_brian[sweep]".
"""

from importlib.util import find_spec

_missing = [
    name
    for name in ("dask", "distributed", "pandas", "pyarrow", "threadpoolctl", "xarray")
    if find_spec(name) is None
]
if _missing:
    raise ImportError(
        f"sweeps need {', '.join(_missing)}, which cannot be imported here; install what is "
        'missing with: pip install "pvae_brian[sweep]"'
    )

from pvae_brian.sweep import answers  # noqa: E402
from pvae_brian.sweep.point import PointResult, compute_point  # noqa: E402
from pvae_brian.sweep.presets import PRESETS  # noqa: E402
from pvae_brian.sweep.published import PUBLISHED, load_published  # noqa: E402
from pvae_brian.sweep.quantities import COLUMNS, Column  # noqa: E402
from pvae_brian.sweep.results import Sweep, load_sweep  # noqa: E402
from pvae_brian.sweep.running import SweepError, run  # noqa: E402
from pvae_brian.sweep.study import Point, Study  # noqa: E402

__all__ = [
    "COLUMNS",
    "PRESETS",
    "PUBLISHED",
    "Column",
    "Point",
    "PointResult",
    "Study",
    "Sweep",
    "SweepError",
    "answers",
    "compute_point",
    "load_published",
    "load_sweep",
    "run",
]
