"""Numbers of a page: what is written can be read, and says the same everywhere."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvae_brian.report.page.quantity import (
    format_interval,
    format_interval_html,
    format_number,
    format_number_html,
    format_value,
    format_value_html,
)

from .pages import INF, NAN, PREFIXES, TIMES, any_number, finite, parsed, quantity, read


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1.000"),
        (49.2134, "49.21"),
        (-7.13, "-7.130"),
        (9.9999, "10.00"),
        (0.0001, "0.0001000"),
        (0.00009999, "1.00e-04"),
        (12345.6, "12346"),
        (99999.0, "1.00e+05"),
        (1e5, "1.00e+05"),
        (1.2345e9, "1.23e+09"),
        (-4.8e-11, "-4.80e-11"),
        (5e-324, "4.94e-324"),
        (NAN, "not defined"),
        (INF, "infinity"),
        (-INF, "-infinity"),
    ],
)
def test_numbers_as_written(x, shown):
    assert format_number(x) == shown
    assert format_value(quantity(x)) == shown


def test_exact_whole_numbers_have_no_digits_after_the_point():
    exact = quantity(512, 512, 512, interval="exact")
    assert (format_value(exact), format_interval(exact)) == ("512", "exact")
    assert format_value(quantity(99999, 99999, 99999, interval="")) == "99999"
    # Ends that meet are not enough: the bootstrap of stimuli that are all alike has such too.
    alike = quantity(1.0, 1.0, 1.0)
    assert (format_value(alike), format_interval(alike)) == ("1.000", "[1.000, 1.000]")


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (48.9051, 49.5217, "[48.91, 49.52]"),
        (NAN, NAN, "not known"),
        (NAN, 3.0, "[not known, 3.000]"),
        (12.1, INF, "[12.10, infinity]"),
        (-INF, INF, "[-infinity, infinity]"),
        (2.4612e11, 2.4636e11, "[2.461e+11, 2.464e+11]"),
        (0.912301, 0.912309, "[0.91230, 0.91231]"),
    ],
)
def test_intervals_as_written(low, high, shown):
    assert format_interval(quantity(1.5, low, high)) == shown


@given(any_number)
def test_what_is_written_can_be_read(x):
    found = read(format_number(x))
    if math.isfinite(x):
        # Half of the last of four digits, or of three; numbers below 1e-307 have fewer.
        tolerance = 5.001e-4 if 1e-4 <= abs(x) < 9.9995e4 else 5.001e-3
        assert found == pytest.approx(x, rel=tolerance, abs=1e-323)
        assert format_number(found) == format_number(x)
    else:
        assert repr(found) == repr(x)


@given(finite, finite)
def test_order_is_kept(x, y):
    low, high = sorted((x, y))
    assert read(format_number(low)) <= read(format_number(high))


@given(any_number, any_number, any_number)
def test_the_ends_of_an_interval_do_not_look_alike_unless_they_nearly_are(value, low, high):
    shown = format_interval(quantity(value, low, high))
    if shown.startswith("["):
        ends = shown[1:-1].split(", ")
        if ends[0] == ends[1] and math.isfinite(low):
            assert low == pytest.approx(high, rel=2e-6)


@given(any_number, st.sampled_from(["J", "W", "J per stimulus", "W/neuron"]))
def test_prefixes_do_not_change_the_number(x, unit):
    parser = parsed(f"<td>{format_value_html(quantity(x, unit=unit))}</td>")
    words = parser.text.replace("\xa0", " ")
    if not math.isfinite(x):
        assert repr(read(words.removesuffix(unit))) == repr(x)
        assert parser.numbers == []
        return
    assert parser.numbers == [x]
    shown, _, shown_unit = re.fullmatch(r"(.*?) (\S?)((?:J|W).*)", words).groups()
    prefix = words[len(shown) + 1 : -len(unit)]
    assert shown_unit == unit
    assert read(shown) * 10.0 ** PREFIXES[prefix] == pytest.approx(x, rel=5.001e-3, abs=1e-323)
    if 1e-18 <= abs(x) < 9.9995e11:
        assert 1 <= abs(read(shown)) < 1000


@pytest.mark.parametrize("unit", ["Hz", "spikes", "nats", "Joules", "ATP", "", "%"])
def test_other_units_have_no_prefix(unit):
    shown = parsed(format_value_html(quantity(4.8e-11, unit=unit))).text
    minus = "\N{MINUS SIGN}"
    assert shown.replace("\xa0", " ") == f"4.80 {TIMES} 10^{minus}11 {unit}".strip()


def test_an_interval_is_in_the_unit_of_its_value():
    cost = quantity(9.98e-10, 9.7e-10, 1.02e-9, "J")
    assert parsed(format_value_html(cost)).text == "0.9980\xa0nJ"
    assert parsed(format_interval_html(cost)).text == "[0.9700, 1.020]"


@given(any_number)
def test_html_and_text_say_the_same(x):
    shown = parsed(format_number_html(x)).text.replace("\xa0", " ")
    assert repr(read(shown)) == repr(read(format_number(x)))
