"""`compute_points`: each point of a sweep as a task of Dask, tried again where that may help."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Generator
from pathlib import Path

from distributed import Future, KilledWorker, as_completed

from pvae_brian.data.choose import BUILT_IN
from pvae_brian.engine import BuildError
from pvae_brian.sweep.cluster import connected
from pvae_brian.sweep.folder import StudyFile
from pvae_brian.sweep.point import PointResult, compute_point
from pvae_brian.sweep.progress import expected_cost
from pvae_brian.sweep.study import Point, Study

# Another attempt would come to the same.
_FINAL = (ArithmeticError, ValueError, TypeError, ImportError, FileNotFoundError, BuildError)


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a point has no result, in one line."""

    reason: str


def compute_points(
    study: Study,
    todo: list[Point],
    file: StudyFile,
    scheduler: str | None,
    n_workers: int,
    retries: int,
) -> Generator[tuple[Point, PointResult | Failure], None, None]:
    """Yield each point with what came of it, as they end."""
    if not todo:
        return
    if study.data not in BUILT_IN:
        # A worker may have another working folder.
        study = dataclasses.replace(study, data=str(Path(study.data).expanduser().absolute()))
    with connected(scheduler, min(n_workers, len(todo)), retries) as client:
        points = {}
        for point in sorted(todo, key=lambda point: -expected_cost(point)):
            future = client.submit(
                _attempt,
                study,
                point,
                file.data["sha256"],
                # Of our own: the cluster may be working for others too.
                key=f"pvae_brian_point-{uuid.uuid4().hex}",
                priority=expected_cost(point),
                retries=retries,
                pure=False,
            )
            points[future.key] = point, future
        finished = as_completed([future for _, future in points.values()], loop=client.loop)
        for future in finished:
            point, _ = points.pop(future.key)
            yield point, _outcome(future)
            # The worker forgets the result with the last reference to it.
            future.release()


def _attempt(study: Study, point: Point, data_sha256: str) -> PointResult | Failure:
    """Compute a point on a worker; what is raised is tried again."""
    try:
        return compute_point(study, point, data_sha256=data_sha256)
    except _FINAL as error:
        return Failure(_one_line(error))


def _outcome(future: Future[PointResult | Failure]) -> PointResult | Failure:
    if future.status == "finished":
        return future.result()
    if future.status == "error":
        error = future.exception()
        if isinstance(error, KilledWorker):
            return Failure("each worker that computed it died; is there memory enough?")
        return Failure(_one_line(error))
    raise ConnectionError(
        "the connection to the scheduler is lost; finished points are kept, run the sweep again"
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
