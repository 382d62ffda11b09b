"""Damaged, foreign and hostile runs are refused by the name of what is wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import shutil

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pvae_brian import save_checkpoint as save_own
from pvae_brian.data import shipped_model
from pvae_brian.runs import Provenance, Run, describe_provenance, load_run, save_run
from pvae_brian.runs.description import describe_files
from pvae_brian.runs.files import is_file_name

from .checkpoint_files import OFFICIAL, small_model, weights_file
from .run_files import BAD_NAMES, NAMES, make_small, official_images, sha256, simulated
from .test_spikes import Trap, assert_same


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def folder(small, tmp_path):
    return save_run(tmp_path / "run", *small)


def change_description(folder, change):
    content = json.loads((folder / "run.json").read_text())
    change(content)
    (folder / "run.json").write_text(json.dumps(content))


def refresh(folder, **changes):
    """Make checksums right again, so that only what they cannot see is left to refuse."""

    def change(content):
        provenance = content["provenance"]
        provenance |= {"images_sha256": sha256(folder / "images.npy")} | changes
        if isinstance(provenance["model_sha256"], str):
            weights = folder / "model" / provenance["model_file"]
            provenance["model_sha256"] = sha256(weights)
        told = Provenance.from_dict(provenance)
        content["files"] = describe_files(told, sha256(folder / "record.npz"))

    change_description(folder, change)


def test_refreshed_checksums_are_accepted(folder, small):
    refresh(folder)
    assert_same(load_run(folder).record, small[2])


def test_places_that_are_no_run(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no run at .*none; check the name"):
        load_run(tmp_path / "none")
    with pytest.raises(ValueError, match="is a file, but a run is a folder"):
        load_run(folder / "run.json")
    with pytest.raises(FileNotFoundError, match=r"is no run: it has no file run\.json"):
        load_run(tmp_path)


@pytest.mark.parametrize("name", ["record.npz", "images.npy", "model/small.pt"])
def test_a_missing_file_is_named(name, folder):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{folder} lacks its {name}: .* copy"):
        load_run(folder)


def test_a_missing_model_folder_is_named(folder):
    shutil.rmtree(folder / "model")
    with pytest.raises(FileNotFoundError, match=r"lacks its model/small\.pt"):
        load_run(folder)
    (folder / "model").write_text("a file in its place")
    with pytest.raises(ValueError, match="model must be a plain folder"):
        load_run(folder)


@pytest.fixture(scope="module")
def shared_folder(small, tmp_path_factory):
    """For examples of hypothesis, which put back what they change."""
    return save_run(tmp_path_factory.mktemp("shared") / "run", *small)


def refuse_or_same(folder, run: Run) -> Exception | None:
    """Load a run; return the error that names a file of it, or assert that it is the same."""
    try:
        loaded = load_run(folder)
    except (ValueError, FileNotFoundError) as error:
        refused = error
    else:
        assert_same(loaded.record, run.record)
        assert loaded.images.tobytes() == run.images.tobytes()
        rates = run.encoder.posterior_rates(run.images)
        assert loaded.encoder.posterior_rates(run.images) == pytest.approx(rates, rel=1e-4)
        return None
    message = str(refused)
    assert str(folder) in message
    assert "\n" not in message
    assert len(message.replace(str(folder), "")) < 900
    return refused


@pytest.mark.parametrize("name", ["run.json", "record.npz", "images.npy", "model/small.pt"])
@given(data=st.data())
@settings(deadline=None)
def test_a_truncated_or_changed_file_is_refused(name, shared_folder, data):
    path, run = shared_folder / name, load_run(shared_folder)
    whole = path.read_bytes()
    if data.draw(st.booleans(), "truncated"):
        # All but the last byte of run.json, a line's end, is as good as all.
        damaged = whole[: data.draw(st.integers(0, len(whole) - 2), "length")]
    else:
        damaged = bytearray(whole)
        place = data.draw(st.integers(0, len(whole) - 1), "place")
        damaged[place] ^= data.draw(st.integers(1, 255), "bits")
    path.write_bytes(damaged)
    try:
        error = refuse_or_same(shared_folder, run)
    finally:
        path.write_bytes(whole)
    # A letter in the name of a platform may be any; not so in what has a checksum.
    if name != "run.json" or len(damaged) < len(whole):
        assert isinstance(error, ValueError)
        assert name in str(error)


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(NAMES)
)
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


def places_in(content, place=()):
    yield place
    if isinstance(content, dict):
        for key, value in content.items():
            yield from places_in(value, (*place, key))


@given(data=st.data())
@settings(deadline=None, max_examples=300)
def test_a_description_of_anything_is_refused_or_does_not_matter(shared_folder, data):
    path, run = shared_folder / "run.json", load_run(shared_folder)
    whole = path.read_text()
    content = {"": json.loads(whole)}
    for _ in range(data.draw(st.integers(1, 3), "changes")):
        place = ("", *data.draw(st.sampled_from(sorted(places_in(content[""]))), "place"))
        holder = content
        for key in place[:-1]:
            holder = holder[key]
        how = data.draw(st.sampled_from(["replace", "remove", "add"]), "how")
        if how == "remove" and len(place) > 1:
            del holder[place[-1]]
        elif how == "add" and isinstance(holder[place[-1]], dict):
            holder[place[-1]][data.draw(st.text(), "key")] = data.draw(_JSON, "value")
        else:
            holder[place[-1]] = data.draw(_JSON, "value")
    path.write_text(json.dumps(content[""]))
    try:
        refuse_or_same(shared_folder, run)
    finally:
        path.write_text(whole)


@given(text=st.binary(max_size=200))
@example(text=b"[" * 100_000)
@example(text=b"1" * 10_000)
@example(text=b'{"format": "pvae_brian run", "format_version": ' + b"9" * 4000 + b"}")
@example(text=b"NaN")
@example(text=b"")
@settings(deadline=None)
def test_a_description_of_random_bytes_is_refused(shared_folder, text):
    path, run = shared_folder / "run.json", load_run(shared_folder)
    whole = path.read_bytes()
    path.write_bytes(text)
    try:
        error = refuse_or_same(shared_folder, run)
    finally:
        path.write_bytes(whole)
    assert isinstance(error, ValueError)
    assert "run.json" in str(error)


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (2, "has format version 2, this pvae_brian reads 1; install a newer pvae_brian"),
        (0, "damaged or of another kind"),
        (True, "damaged or of another kind"),
        (1.0, "damaged or of another kind"),
        ("1", "damaged or of another kind"),
        (None, "damaged or of another kind"),
    ],
)
def test_another_format_version_is_refused(version, message, folder):
    change_description(folder, lambda content: content.update(format_version=version))
    with pytest.raises(ValueError, match=message):
        load_run(folder)


def test_another_format_is_refused(folder):
    change_description(folder, lambda content: content.update(format="pvae_brian spike record 2"))
    with pytest.raises(ValueError, match="does not call itself 'pvae_brian run'"):
        load_run(folder)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_leads_out_of_the_folder_is_refused(name, folder, small, tmp_path):
    # There, with the right checksum: only its name speaks against it.
    shutil.copy(small[0], tmp_path / "outside.pt")
    shutil.copy(small[0], folder / "outside.pt")
    assert not is_file_name(name)

    def change(content):
        content["provenance"]["model_file"] = name
        content["files"][f"model/{name}"] = content["files"].pop("model/small.pt")

    change_description(folder, change)
    with pytest.raises(ValueError, match=r"run\.json is damaged or of another kind .*model_"):
        load_run(folder)


def test_a_name_that_leads_out_among_several_is_refused(folder):
    digest = json.loads((folder / "run.json").read_text())["provenance"]["model_sha256"]

    def change(content):
        content["provenance"]["model_sha256"] = {"small.pt": digest, "../images.npy": digest}

    change_description(folder, change)
    with pytest.raises(ValueError, match="model_sha256 of a provenance cannot be"):
        load_run(folder)


def forget_images(files):
    del files["images.npy"]


def add_outside(files):
    files["../outside.pt"] = files["model/small.pt"]


def change_digest(files):
    files["model/small.pt"] = files["images.npy"]


@pytest.mark.parametrize("change", [forget_images, add_outside, change_digest])
def test_other_files_than_those_of_the_provenance_are_refused(change, folder, small, tmp_path):
    shutil.copy(small[0], tmp_path / "outside.pt")
    change_description(folder, lambda content: change(content["files"]))
    with pytest.raises(ValueError, match="its files are not those of its provenance"):
        load_run(folder)


@pytest.mark.parametrize("name", [*NAMES, "model/small.pt"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_are_refused(name, kind, folder, tmp_path):
    (folder / name).rename(tmp_path / "elsewhere")
    if kind == "link":
        (folder / name).symlink_to(tmp_path / "elsewhere")
    else:
        # To read it would wait for ever.
        os.mkfifo(folder / name)
    with pytest.raises(ValueError, match=f"{name} must be a plain (file|folder), not a link"):
        load_run(folder)


def test_a_long_name_is_no_file(folder):
    def change(content):
        provenance = content["provenance"]
        provenance["model_file"] = 1000 * "x"
        content["files"] = describe_files(
            Provenance.from_dict(provenance), content["files"]["record.npz"]
        )

    change_description(folder, change)
    with pytest.raises(FileNotFoundError, match="lacks its model/xxx"):
        load_run(folder)


def test_a_config_outside_of_the_checksums_is_refused(tmp_path):
    checkpoint, images = OFFICIAL / "pvae_lin_k48", official_images("pvae_lin_k48")
    folder = save_run(tmp_path / "run", checkpoint, images, simulated(checkpoint, images)[1])
    name = weights_file(checkpoint).name
    (folder / "model" / "ConfigPoisVAE.json").rename(folder / "ConfigPoisVAE.json")
    refresh(folder, model_sha256=sha256(folder / "model" / name))
    with pytest.raises(ValueError, match=r"\['\.\./ConfigPoisVAE\.json', .*were read"):
        load_run(folder)


def put_other_seed(folder, small):
    file, images, _ = small
    (folder / "record.npz").unlink()
    simulated(file, images, record="times", seed=8)[1].save(folder / "record.npz")


def put_other_counts(folder, small):
    counts = small[2].counts + 1
    other = dataclasses.replace(small[2], counts=counts, times=None)
    other.save(folder / "record.npz", force=True)
    provenance = describe_provenance(other).as_dict()
    return {"record": provenance["record"]}


def put_other_versions(folder, small):
    other = dataclasses.replace(small[2], versions=small[2].versions | {"brian2": "3"})
    other.save(folder / "record.npz", force=True)


def put_other_images(folder, small):
    np.save(folder / "images.npy", small[1] + 1)


def put_fewer_images(folder, small):
    np.save(folder / "images.npy", small[1][:3])


def put_smaller_images(folder, small):
    np.save(folder / "images.npy", small[1][:, :2])


def put_words(folder, small):
    np.save(folder / "images.npy", np.full((5, 9), "x"))


def put_several_arrays(folder, small):
    with (folder / "images.npy").open("wb") as file:
        np.savez(file, images=small[1])


def put_cut_images(folder, small):
    (folder / "images.npy").write_bytes((folder / "images.npy").read_bytes()[:-1])


def put_promises(folder, small):
    """A header of a petabyte, and nothing behind it."""
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 144)}
    with (folder / "images.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)


def put_no_array(folder, small):
    (folder / "images.npy").write_bytes(b"Dear reader")


def put_other_model(folder, small):
    model = small_model()
    with torch.no_grad():
        model.log_rate += 0.001
    save_own(model, folder / "model" / "small.pt", force=True)


def put_larger_model(folder, small):
    shutil.copy(shipped_model(), folder / "model" / "small.pt")


def put_no_model(folder, small):
    (folder / "model" / "small.pt").write_bytes(b"Dear reader")


def ask_for_other_clamp(folder, small):
    return {"rate_clamp": -5.0}


def ask_for_average(folder, small):
    return {"ema": True}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put_other_seed, "the provenance in .* is of another record .seed is 7, but 8"),
        (put_other_counts, "of another record .counts_sha256"),
        (put_other_versions, "of another record .versions"),
        (put_other_images, "files of different runs: .*its rates"),
        (put_fewer_images, r"files of different runs: .*of shape \(3, 4\)"),
        (put_smaller_images, "files of different runs: images must have shape"),
        (put_words, "files of different runs: images must be real numbers"),
        (put_several_arrays, "images.npy is not a readable .npy file"),
        (put_cut_images, "images.npy is not a readable .npy file"),
        (put_promises, "images.npy is not a readable .npy file"),
        (put_no_array, "images.npy is not a readable .npy file"),
        (put_other_model, "files of different runs: .*its rates"),
        (put_larger_model, "files of different runs: images must have shape"),
        (put_no_model, "small.pt is not a readable torch checkpoint"),
        (ask_for_other_clamp, "files of different runs: .*its rates"),
        (ask_for_average, "small.pt holds no moving average"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(change, message, folder, small):
    refresh(folder, **(change(folder, small) or {}))
    with pytest.raises(ValueError, match=message) as caught:
        load_run(folder)
    assert str(folder) in str(caught.value)


def pickle_instead(path, trap):
    path.write_bytes(pickle.dumps(trap))


def pickle_in_an_array(path, trap):
    with path.open("wb") as file:
        np.save(file, np.array([trap], dtype=object))


@pytest.mark.parametrize("write", [pickle_instead, pickle_in_an_array])
@pytest.mark.parametrize("name", ["record.npz", "images.npy", "model/small.pt"])
def test_a_pickle_is_not_run(name, write, folder, tmp_path):
    marker = tmp_path / "marker"
    write(folder / name, Trap(marker))
    # The trap is live: a careless reader falls for it.
    np.load(folder / name, allow_pickle=True)
    assert marker.exists()
    marker.unlink()
    refresh(folder)
    with pytest.raises(ValueError, match=f"{name} is not a readable"):
        load_run(folder)
    assert not marker.exists()


def test_rounding_in_single_precision_is_no_damage(folder, small):
    rates = small[2].rates.astype(np.float32).astype(np.float64)
    assert not np.array_equal(rates, small[2].rates)
    dataclasses.replace(small[2], rates=rates).save(folder / "record.npz", force=True)
    refresh(folder)
    assert np.array_equal(load_run(folder).record.rates, rates)


def test_what_users_add_to_the_folder_is_left_alone(folder, small):
    (folder / "thesis.tex").write_text("years of work")
    (folder / "model" / "mine.pt").write_text("years of work")
    assert_same(load_run(folder).record, small[2])
