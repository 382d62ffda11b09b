"""Energy budgets: what they hold, what they refuse, and the files they come from."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest
from brian2 import pjoule
from hypothesis import given
from hypothesis import strategies as st

import pvae_brian
from pvae_brian import BUDGETS, EnergyBudget, load_budget, metabolic_cost, register_budget, simulate

FOLDER = Path(pvae_brian.__file__).parent / "metabolism" / "budgets"

ALL_IN = {"spike_cost": 1e9, "grade": "C", "source": "this test"}
PARTS = {"scope": "per part", "grade": "C", "source": "this test"}


def as_toml(values: dict) -> str:
    lines = []
    for key, value in values.items():
        text = value if not isinstance(value, str) else value.replace("\\", "\\\\")
        lines.append(f'{key} = "{text}"' if isinstance(value, str) else f"{key} = {text}")
    return "\n".join(lines)


# Those that ship


def test_shipped_budgets_are_the_cited_ones():
    assert set(BUDGETS) == {
        "attwell-laughlin-2001",
        "howarth-2012",
        "lennie-2003",
        "loihi",
        "truenorth",
        "cmos-45nm",
    }
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(BUDGETS)
    for name, budget in BUDGETS.items():
        assert budget.name == name
        # A source with its year, and a note on what it is for.
        assert any(str(year) in budget.source for year in range(1990, 2026)), name
        assert budget.notes


def test_parts_of_the_shipped_budgets_add_up():
    # 3.84e8 and 2000 vesicles at 1.64e5, which the source rounds.
    attwell = BUDGETS["attwell-laughlin-2001"]
    assert attwell.spike_cost == pytest.approx(3.84e8 + 2000 * 1.64e5, rel=3e-3)
    assert attwell.rest_cost == pytest.approx(3.42e8 + 1.02e8)
    howarth = BUDGETS["howarth-2012"]
    assert howarth.spike_cost == pytest.approx(3.84e8 * 1.24 / 4 + 2000 * 1.64e5, rel=1e-3)
    assert (howarth.grade, BUDGETS["lennie-2003"].rest_cost) == ("C", None)


def test_budgets_cannot_be_changed_past_register_budget():
    with pytest.raises(TypeError):
        BUDGETS["mine"] = EnergyBudget("mine", **ALL_IN)
    with pytest.raises(dataclasses.FrozenInstanceError):
        BUDGETS["loihi"].fan_out = 3


# What a spike costs


def test_cost_of_a_spike_by_scope():
    assert EnergyBudget("a", **ALL_IN).cost_per_spike == 1e9
    parts = EnergyBudget("b", **PARTS, propagation_cost=5.0, synaptic_cost=2.0, fan_out=10)
    assert parts.cost_per_spike == 25
    assert parts.with_fan_out(0).cost_per_spike == 5
    assert EnergyBudget("c", **PARTS, propagation_cost=5.0).cost_per_spike == 5
    event = EnergyBudget("d", grade="C", source="s", unit="J", synaptic_cost=3.0, fan_out=7)
    assert (event.scope, event.cost_per_spike) == ("all-in", 21)


def test_the_table_in_the_docs_is_theirs():
    page = (Path(__file__).parent.parent / "docs" / "energy.md").read_text(encoding="utf-8")
    for name, budget in BUDGETS.items():
        rest, grade = "not stated", ""
        if budget.rest_cost is not None:
            rest = f"{budget.rest_cost:.3g} {budget.unit}"
            grade = f"{budget.rest_grade or budget.grade} "
        row = f"| {name} | {budget.cost_per_spike:.3g} {budget.unit} | {budget.grade} | {rest} | "
        assert f"{row}{grade}|" in page


# Refusals


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (ALL_IN | {"propagation_cost": 1.0}, "already holds propagation"),
        (ALL_IN | {"synaptic_cost": 1.0, "fan_out": 2}, "either spike_cost, or synaptic_cost"),
        (ALL_IN | {"fan_out": 2}, "go together"),
        (ALL_IN | {"scope": "per part"}, "already holds its parts"),
        (
            {"synaptic_cost": 1.0, "fan_out": 2, "propagation_cost": 1.0, "grade": "C"},
            "already holds propagation",
        ),
        ({"grade": "C"}, "either spike_cost"),
        (PARTS, "has no parts"),
        (PARTS | {"synaptic_cost": 1.0}, "go together"),
        (PARTS | {"propagation_cost": 1.0, "fan_out": 3}, "go together"),
        (ALL_IN | {"unit": "kcal"}, "ATP, J"),
        (ALL_IN | {"scope": "some"}, "all-in, per part"),
        (ALL_IN | {"grade": "D"}, "A, B, C"),
        (ALL_IN | {"grade": ""}, "A, B, C"),
        (ALL_IN | {"rest_grade": "D"}, "A, B, C"),
        (ALL_IN | {"source": " "}, "trace"),
        (ALL_IN | {"name": ""}, "name"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        EnergyBudget(**{"name": "mine", "source": "this test"} | values)


@pytest.mark.parametrize("cost", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize(
    "field", ["spike_cost", "rest_cost", "propagation_cost", "synaptic_cost", "fan_out"]
)
def test_costs_are_finite_and_not_negative(field, cost):
    with pytest.raises(ValueError, match=field):
        EnergyBudget("mine", **ALL_IN | {field: cost})


@pytest.mark.parametrize("cost", ["1e9", True, [1.0], 1j])
def test_costs_are_numbers(cost):
    with pytest.raises(TypeError, match="spike_cost"):
        EnergyBudget("mine", **ALL_IN | {"spike_cost": cost})


def test_a_cost_beyond_all_numbers_is_refused():
    with pytest.raises(ValueError, match="finite"):
        EnergyBudget("mine", **ALL_IN | {"spike_cost": 10**400})


def test_a_quantity_is_refused_with_a_remedy():
    with pytest.raises(TypeError, match="quantity/joule"):
        EnergyBudget("mine", **ALL_IN | {"spike_cost": 20 * pjoule})


@pytest.mark.parametrize("field", ["name", "source", "notes"])
def test_texts_are_texts(field):
    with pytest.raises(TypeError, match=field):
        EnergyBudget(**{"name": "mine", **ALL_IN, field: 3})


# Files


@given(
    spike_cost=st.floats(0, 1e20),
    rest_cost=st.none() | st.floats(0, 1e20),
    grade=st.sampled_from("ABC"),
    name=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1),
)
def test_a_file_says_the_same_as_a_call(tmp_path_factory, spike_cost, rest_cost, grade, name):
    values = {"name": name, "spike_cost": spike_cost, "grade": grade, "source": "a test"}
    if rest_cost is not None:
        values["rest_cost"] = rest_cost
    path = tmp_path_factory.mktemp("budget") / "mine.toml"
    path.write_text(as_toml(values))
    assert load_budget(path) == EnergyBudget(**values)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_budget_or_a_value_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("budget") / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.toml"):
        load_budget(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"spikes": 3}, "no budget has"),
        ({"name": None}, "name"),
        ({"spike_cost": "much"}, "must be a plain number"),
        ({"propagation_cost": 1.0}, "already holds propagation"),
        ({"grade": "Z"}, "A, B, C"),
    ],
)
def test_a_file_with_a_mistake_is_named_with_it(tmp_path, values, message):
    values = {"name": "mine", **ALL_IN} | values
    path = tmp_path / "mine.toml"
    path.write_text(as_toml({key: value for key, value in values.items() if value is not None}))
    with pytest.raises(ValueError, match=message) as caught:
        load_budget(path)
    assert str(path) in str(caught.value)


def test_a_mark_of_byte_order_is_no_mistake(tmp_path):
    path = tmp_path / "MINE.TOML"
    path.write_text(as_toml({"name": "mine", "rest_cost": 0.0, **ALL_IN}), encoding="utf-8-sig")
    assert metabolic_cost(simulate([[0.0]], n_steps=1), path).budget.name == "mine"


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_budget(tmp_path / "none.toml")


def test_shipped_files_hold_no_key_in_vain():
    for path in FOLDER.glob("*.toml"):
        values = tomllib.loads(path.read_text())
        budget = load_budget(path)
        for key, value in values.items():
            if key != "notes":
                assert getattr(budget, key) == value


# Finding and registering


@pytest.mark.usefixtures("registered")
def test_a_registered_budget_is_found_by_name(tmp_path):
    record = simulate([[0.0]], n_steps=1)
    budget = register_budget(EnergyBudget("mine", rest_cost=2.0, **ALL_IN))
    assert BUDGETS["mine"] is budget
    assert metabolic_cost(record, "mine").total_per_stimulus.value == 2
    # Again the same is no harm, another of its name is.
    assert register_budget(dataclasses.replace(budget)) == budget
    with pytest.raises(ValueError, match="another name"):
        register_budget(dataclasses.replace(budget, rest_cost=3.0))
    with pytest.raises(ValueError, match="another name"):
        register_budget(dataclasses.replace(budget, name="loihi"))
    path = tmp_path / "file.toml"
    path.write_text(as_toml({"name": "from-file", **ALL_IN}))
    assert register_budget(path).name == "from-file"
    assert metabolic_cost(record, "from-file").spiking.value[0] == 0


def test_a_file_can_be_named_instead(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(as_toml({"name": "mine", "rest_cost": 5.0, **ALL_IN}))
    record = simulate([[0.0]], n_steps=1)
    for name in (path, str(path)):
        assert metabolic_cost(record, name).total_per_stimulus.value == 5
    assert "mine" not in BUDGETS


@pytest.mark.parametrize("budget", ["attwell", "", None, 3.0, ["attwell-laughlin-2001"]])
def test_unknown_budget_is_named_with_those_there_are(budget):
    with pytest.raises(ValueError, match="attwell-laughlin-2001"):
        metabolic_cost(simulate([[0.0]], n_steps=1), budget)
