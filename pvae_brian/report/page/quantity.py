"""`Quantity`: a number with its interval and its unit, and how it is written for people."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from markupsafe import Markup

_PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}
# Units that take a prefix: joules and watts, also 'J per stimulus' and 'J/s'.
_PREFIXED = re.compile(r"[JW](?=$|[ /])")
_SPACE = "\N{NO-BREAK SPACE}"
_POWER = re.compile(r"(?<=\d)e([+-]?)0*(\d+)")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_UNKNOWN = "not known"


@dataclass(frozen=True)
class Quantity:
    """One number of a report.

    Attributes
    ----------
    key : str
        Dotted path in the JSON, as 'fidelity.measured'; unique in a page.
    section : str
        Title of the group in which it is listed, as 'Simulation fidelity'.
    name : str
        What it is, as 'measured spikes per stimulus'.
    value : float
        The number.
    low, high : float
        Ends of its 95 % interval: equal to the value where it is exact, NaN where they are not
        known.
    unit : str
        'spikes', 'nats', 'ATP', 'J', 'Hz'; empty for a pure number.
    interval : str
        How the interval was made: 'bootstrap over stimuli', 'Garwood', 'exact: sum of parameters'.
    remark : str
        What else a reader should know.
    """

    key: str
    section: str
    name: str
    value: float
    low: float
    high: float
    unit: str
    interval: str
    remark: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether the number has no error, and says so.

        Ends that meet are not enough: the bootstrap of stimuli that are all alike has such too.
        """
        says_so = self.interval == "" or self.interval.startswith("exact")
        return says_so and self.low == self.value == self.high


def format_number(x: float, *, exact: bool = False, digits: int = 4) -> str:
    """Write a number with four significant digits, or three in scientific form.

    Parameters
    ----------
    x : float
        Any number. From 0.0001 to 100 000 it is written out, all digits before the point included.
    exact : bool
        Whether it has no error; whole numbers below 100 000 then get no digits after the point.
    digits : int
        Other than four.

    Returns
    -------
    str
        NaN and infinities as words.

    Examples
    --------
    >>> [format_number(x) for x in (49.2, 12345.6, 1.234e9, 4.8e-11, float("nan"))]
    ['49.20', '12346', '1.23e+09', '4.80e-11', 'not defined']
    >>> format_number(512, exact=True)
    '512'
    """
    x = float(x)
    if math.isnan(x):
        return "not defined"
    if math.isinf(x):
        return "infinity" if x > 0 else "-infinity"
    if x == 0:
        return "0"
    if exact and x.is_integer() and abs(x) < 1e5:
        return f"{x:.0f}"
    # The exponent after rounding: 9.9999 is 10.00, with two digits after the point.
    exponent = int(f"{x:.{digits - 1}e}".partition("e")[2])
    if not -4 <= exponent < 5:
        return f"{x:.{digits - 2}e}"
    return f"{x:.{max(0, digits - 1 - exponent)}f}"


def with_powers(text: str) -> str:
    """Write the numbers of a text with powers of ten, as a table has them.

    Examples
    --------
    >>> with_powers("8.3e-20 J, 12.5 mV") == "8.3\\N{MULTIPLICATION SIGN}10⁻²⁰ J, 12.5 mV"
    True
    """

    def power(match: re.Match[str]) -> str:
        exponent = (match[1].strip("+") + match[2]).translate(_SUPERSCRIPTS)
        return f"\N{MULTIPLICATION SIGN}10{exponent}"

    return _POWER.sub(power, text)


def format_number_html(
    x: float, *, exact: bool = False, digits: int = 4, factor: float = 1.0
) -> Markup:
    """Write ``factor * x`` as `format_number` does, with powers of ten.

    The number itself, with all its digits, is in the attribute ``value``.

    Examples
    --------
    >>> str(format_number_html(4.8e-11, factor=1e12))
    '<data value="4.8e-11">48.00</data>'
    """
    text = format_number(factor * float(x), exact=exact, digits=digits).replace(
        "-", "\N{MINUS SIGN}"
    )
    if not math.isfinite(x):
        return Markup.escape(text)
    mantissa, _, exponent = text.partition("e")
    shown = Markup.escape(mantissa)
    if exponent:
        sign = exponent[0].strip("+")
        shown = Markup("{0}{1}&times;{1}10<sup>{2}{3}</sup>").format(
            mantissa, _SPACE, sign, exponent[1:].lstrip("0")
        )
    return Markup('<data value="{}">{}</data>').format(repr(float(x)), shown)


def format_value(quantity: Quantity) -> str:
    """Write the value, without its unit.

    Examples
    --------
    >>> format_value(Quantity("a", "", "", 49.2134, 48.9051, 49.5217, "spikes", "Garwood"))
    '49.21'
    """
    return format_number(quantity.value, exact=quantity.is_exact, digits=_digits(quantity))


def format_interval(quantity: Quantity) -> str:
    """Write the interval, without its unit; with as many digits as it takes to tell its ends apart.

    Examples
    --------
    >>> format_interval(Quantity("a", "", "", 49.2134, 48.9051, 49.5217, "spikes", "Garwood"))
    '[48.91, 49.52]'
    """
    low, high = (
        _UNKNOWN if math.isnan(end) else format_number(end, digits=_digits(quantity))
        for end in (quantity.low, quantity.high)
    )
    return _in_words(quantity) or f"[{low}, {high}]"


def format_value_html(quantity: Quantity) -> Markup:
    """Write the value with its unit; joules and watts have a prefix.

    Examples
    --------
    >>> str(format_value_html(Quantity("a", "", "", 4.8e-11, 4.7e-11, 4.9e-11, "J", "Garwood")))
    '<data value="4.8e-11">48.00</data>\xa0<span class="unit">pJ</span>'
    """
    unit, factor = _shown_unit(quantity)
    number = format_number_html(
        quantity.value, exact=quantity.is_exact, digits=_digits(quantity), factor=factor
    )
    if not unit or math.isnan(quantity.value):
        return number
    return Markup('{}{}<span class="unit">{}</span>').format(number, _SPACE, unit)


def format_interval_html(quantity: Quantity) -> Markup:
    """Write the interval, in the unit of `format_value_html`."""
    digits, (_, factor) = _digits(quantity), _shown_unit(quantity)
    low, high = (
        _UNKNOWN if math.isnan(end) else format_number_html(end, digits=digits, factor=factor)
        for end in (quantity.low, quantity.high)
    )
    return Markup.escape(_in_words(quantity)) or Markup("[{}, {}]").format(low, high)


def _in_words(quantity: Quantity) -> str:
    if quantity.is_exact:
        return "exact"
    return _UNKNOWN if math.isnan(quantity.low) and math.isnan(quantity.high) else ""


def _digits(quantity: Quantity) -> int:
    """Four, or more where the ends of the interval would look the same."""
    low, high = quantity.low, quantity.high
    if low == high or not (math.isfinite(low) and math.isfinite(high)):
        return 4
    return next(
        (n for n in range(4, 8) if format_number(low, digits=n) != format_number(high, digits=n)), 8
    )


def _shown_unit(quantity: Quantity) -> tuple[str, float]:
    """The unit with its prefix, and what numbers must be multiplied with."""
    numbers = (quantity.value, quantity.low, quantity.high)
    size = max((abs(x) for x in numbers if math.isfinite(x)), default=0.0)
    if size == 0 or not _PREFIXED.match(quantity.unit):
        return quantity.unit, 1.0
    # The exponent after rounding: 999.96 nJ is 1.000 µJ.
    exponent = 3 * (int(f"{size:.3e}".partition("e")[2]) // 3)
    exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return _PREFIXES[exponent] + quantity.unit, 10.0**-exponent
