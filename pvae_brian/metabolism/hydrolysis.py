"""From ATP to joules: what the hydrolysis of a molecule sets free."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.constants import Avogadro

if TYPE_CHECKING:
    from brian2 import Quantity

# Free energy of the hydrolysis of ATP in J/mol: about 50 kJ/mol in cells. eQuilibrator has 44 at
# 1 mM, and 60 is the other plausible end.
HYDROLYSIS = 50e3
HYDROLYSIS_RANGE = (44e3, 60e3)


def joules_per_mole(hydrolysis: Quantity | None) -> float:
    """Return what ATP sets free in joules per mole, of a quantity or by default, or raise."""
    if hydrolysis is None:
        return HYDROLYSIS
    from brian2 import joule, mole
    from brian2.units.fundamentalunits import fail_for_dimension_mismatch

    fail_for_dimension_mismatch(
        hydrolysis,
        joule / mole,
        error_message="hydrolysis must be an energy per amount, such as 50*kjoule/mole",
    )
    if np.size(hydrolysis) != 1:
        raise ValueError(
            f"hydrolysis must be one number, got {np.size(hydrolysis)}; call again for another"
        )
    value = float(np.asarray(hydrolysis).item())
    if not (math.isfinite(value) and value > 0):
        raise ValueError(
            f"hydrolysis must be positive and finite, got {value / 1e3:g} kJ/mol; take some 50"
        )
    return value


def joules_per_unit(unit: str, hydrolysis: Quantity | None) -> float:
    """Return what one unit of a budget, 'ATP' or 'J', is in joules, or raise as above."""
    # Checked for any unit, so that a mistake shows before another budget is taken.
    joules_per_molecule = joules_per_mole(hydrolysis) / Avogadro
    return joules_per_molecule if unit == "ATP" else 1.0
