"""What an answer comes to: yes, no, or that it cannot be told."""

from __future__ import annotations

from dataclasses import dataclass

# A test speaks below this.
ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """Whether something holds, and why.

    Attributes
    ----------
    holds : bool or None
        None if the table cannot tell.
    reason : str
        The numbers that decide it, or what is lacking.

    Examples
    --------
    >>> print(Verdict(None, "there is one beta"))
    cannot be told: there is one beta
    """

    holds: bool | None
    reason: str

    @property
    def word(self) -> str:
        """'yes', 'no', or 'cannot be told'."""
        return {True: "yes", False: "no", None: "cannot be told"}[self.holds]

    def __str__(self) -> str:
        return f"{self.word}: {self.reason}"
