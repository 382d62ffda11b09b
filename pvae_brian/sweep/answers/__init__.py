"""What a beta x K study answers: pure functions on its table."""

from pvae_brian.sweep.answers.answer import Answers, answer
from pvae_brian.sweep.answers.beside import (
    DirectionComparison,
    PairedStep,
    beside,
    compare_directions,
)
from pvae_brian.sweep.answers.control import RangeAtK, Steadiness, compute_steadiness
from pvae_brian.sweep.answers.course import Step, TrendAtK
from pvae_brian.sweep.answers.growth import Growth, compute_growth
from pvae_brian.sweep.answers.lines import Line, fit_line, fit_through_origin
from pvae_brian.sweep.answers.order_tests import TrendTest, jonckheere_test, page_test
from pvae_brian.sweep.answers.pareto import (
    Dominance,
    Front,
    compute_dominance,
    compute_fronts,
    is_on_front,
)
from pvae_brian.sweep.answers.prediction import (
    Relation,
    compute_kl_relations,
    compute_predictions,
)
from pvae_brian.sweep.answers.rows import mean_over_seeds
from pvae_brian.sweep.answers.sentences import describe
from pvae_brian.sweep.answers.trend import Trend, compute_trend, compute_trends
from pvae_brian.sweep.answers.verdict import Verdict

__all__ = [
    "Answers",
    "DirectionComparison",
    "Dominance",
    "Front",
    "Growth",
    "Line",
    "PairedStep",
    "RangeAtK",
    "Relation",
    "Steadiness",
    "Step",
    "Trend",
    "TrendAtK",
    "TrendTest",
    "Verdict",
    "answer",
    "beside",
    "compare_directions",
    "compute_dominance",
    "compute_fronts",
    "compute_growth",
    "compute_kl_relations",
    "compute_predictions",
    "compute_steadiness",
    "compute_trend",
    "compute_trends",
    "describe",
    "fit_line",
    "fit_through_origin",
    "is_on_front",
    "jonckheere_test",
    "mean_over_seeds",
    "page_test",
]
