"""The way of the data is one-way, importing is quick, and a missing extra is named."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pvae_brian

from .marks import needs_torch

PACKAGE = Path(pvae_brian.__file__).parent

# From the first to use nothing of the package to the last to use it all.
ROOMS = [
    "_checks",
    "_extras",
    "_files",
    "models",
    "data",
    "seam",
    "encoder",
    "gaussian_encoder",
    "loading",
    "neurons",
    "conversion",
    "spikes",
    "network",
    "exporting",
    "engine",
    "intervals",
    "measures",
    "fidelity",
    "comparison",
    "metabolism",
    "decoding",
    "runs",
    "analysis",
    "sweep",
    "report",
    "cli",
    "__main__",
]


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"relative: {path}"
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "pvae_brian" and len(parts) > 1 and parts[1] != "__version__":
                rooms.add(parts[1])
    return rooms


SOURCES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    here = ROOMS.index(room_of(path))
    for room in imported_rooms(path):
        assert ROOMS.index(room) <= here, f"{path} imports from {room}, which comes after it"


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import pvae_brian", ["torch", "brian2", "matplotlib", "numpy", "scipy", "pandas"]),
        ("import pvae_brian.cli", ["torch", "brian2", "matplotlib", "scipy"]),
        ("import pvae_brian.data", ["torch", "brian2", "matplotlib", "skimage", "sklearn"]),
        ("from pvae_brian import LatentNeurons, simulate", ["torch"]),
        ("from pvae_brian import metabolic_cost, measures", ["torch", "matplotlib"]),
        pytest.param(
            *("from pvae_brian import load_encoder, train", ["brian2", "matplotlib"]),
            marks=needs_torch,
        ),
        (
            "from pvae_brian import SpikeRecord, SpikeTimes",
            ["neo", "quantities", "pynwb", "hdmf", "h5py", "xarray", "pandas", "torch"],
        ),
    ],
)
def test_import_loads_nothing_heavy(statement, absent):
    code = f"{statement}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@needs_torch
def test_public_names_are_all_there():
    for name in pvae_brian.__all__:
        assert getattr(pvae_brian, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        pvae_brian.no_such_name  # noqa: B018


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_importing_the_data_room_imports_nothing_heavy():
    code = (
        "import sys, pvae_brian.data; "
        "print(*{'torch', 'brian2', 'matplotlib', 'skimage', 'sklearn'} & set(sys.modules))"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""


@pytest.mark.parametrize(
    ("missing", "call"), [("skimage", "natural_patches(10, 10)"), ("sklearn", "load_digits()")]
)
def test_missing_extra_is_named_and_the_rest_works(missing, call):
    code = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "import numpy as np\n"
        "from pvae_brian import data\n"
        "data.patches_from_images(np.random.default_rng(0).normal(size=(1, 40, 90)), 3, 3)\n"
        f"try: data.{call}\n"
        "except ImportError as error: print(error)"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert 'pip install "pvae_brian[data]"' in result.stdout


@pytest.mark.parametrize(
    ("missing", "call"),
    [
        ("neo", "record.to_neo()"),
        ("neo", "SpikeRecord.from_neo(None)"),
        ("pynwb", "record.to_nwb('record.nwb')"),
        ("pynwb", "SpikeRecord.from_nwb('record.nwb')"),
        ("xarray", "record.to_xarray()"),
        ("xarray", "SpikeRecord.from_xarray(None)"),
        ("pandas", "record.to_pandas()"),
        ("pandas", "record.spikes.to_pandas()"),
        ("pandas", "SpikeTimes.from_pandas(None)"),
    ],
)
def test_without_the_extra_of_a_format_it_is_named_and_files_work(missing, call, tmp_path):
    code = (
        f"import os, sys; sys.modules['{missing}'] = None; os.chdir({str(tmp_path)!r})\n"
        "import numpy as np\n"
        "from pvae_brian import SpikeRecord, SpikeTimes\n"
        "times = SpikeTimes(*np.zeros((2, 1), np.int32), np.array([0.5]))\n"
        "ones = np.ones((1, 1), np.int32)\n"
        "record = SpikeRecord(ones, ones * 0.5, 1.0, 10, 0, 'numpy', {}, times)\n"
        "record.save('record.npz')\n"
        f"try: {call}\n"
        "except ImportError as error: print(error)\n"
        "assert os.listdir() == ['record.npz']\n"
        "assert SpikeRecord.load('record.npz').spikes.time == 0.5"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    extra = {"pynwb": "nwb"}.get(missing, missing)
    assert f"{missing}, which cannot be imported" in result.stdout
    assert f'pip install "pvae_brian[{extra}]"' in result.stdout


@needs_torch
@pytest.mark.parametrize("missing", ["distributed", "pandas", "xarray"])
def test_without_the_extra_for_sweeps_it_is_named_and_the_rest_works(missing):
    code = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "import pvae_brian\n"
        "assert pvae_brian.train\n"
        "try: pvae_brian.sweep.run\n"
        "except ImportError as error: print(error)\n"
        "from pvae_brian.cli import main\n"
        "assert main(['sweep', 'study', '--preset', 'quick']) == 1"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    for text in (result.stdout, result.stderr):
        assert f"sweeps need {missing}" in text
        assert 'pip install "pvae_brian[sweep]"' in text
