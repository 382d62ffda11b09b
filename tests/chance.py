"""Random numbers for tests that must pass with practically any seed."""

import numpy as np

# Chance that a statistical check fails although all is right.
FALSE_ALARM = 1e-6
# A normal estimate lies further than this from its mean twice in 1e9 times, so that thousands
# of estimates may be checked at once.
STANDARD_ERRORS = 6


def fresh_seed() -> int:
    """Return a new seed each time; pytest shows it where a test fails."""
    seed = int(np.random.SeedSequence().generate_state(1)[0])
    print(f"seed {seed}")
    return seed


def fresh_generator() -> np.random.Generator:
    """Return a generator with a `fresh_seed`."""
    return np.random.default_rng(fresh_seed())
