"""What the numbers of all sections share: how their intervals were made."""

from __future__ import annotations

from pvae_brian.intervals import Estimate
from pvae_brian.report.page.quantity import Quantity

OVER_STIMULI = "bootstrap over stimuli"
GARWOOD = "Garwood, exact for Poisson counts"
BY_THEORY = "normal, variance by theory"
IF_RIGHT = "range of 95 % of right simulations"
PARAMETERS = "exact: parameters of the model"


def make_quantity(
    key: str,
    section: str,
    name: str,
    estimate: Estimate[float],
    unit: str,
    interval: str,
    remark: str = "",
) -> Quantity:
    return Quantity(
        key=key,
        section=section,
        name=name,
        value=float(estimate.value),
        low=float(estimate.low),
        high=float(estimate.high),
        unit=unit,
        interval=interval,
        remark=remark,
    )


def exact(value: float) -> Estimate[float]:
    return Estimate(value, value, value)
