"""The natural photographs and their patches."""

from __future__ import annotations

import numpy as np
import pytest

from pvae_brian import data
from pvae_brian.data import photographs as photographs_module
from pvae_brian.data.photographs import load_photographs

from .images import noise


def test_photographs_are_grey_and_between_black_and_white():
    photographs = load_photographs()
    assert len(photographs) == 8
    for image in photographs.values():
        assert image.ndim == 2
        assert image.dtype == np.float64
        assert 0 <= image.min() < 0.3 < 0.7 < image.max() <= 1


def test_natural_patches_have_the_shapes_asked_for_and_say_their_source():
    patches = data.natural_patches(300, 100, 12, seed=4)
    assert patches.train.shape == (300, 12, 12)
    assert patches.test.shape == (100, 12, 12)
    assert patches.train.dtype == patches.test.dtype == np.float32
    assert "camera.png" in patches.source
    assert "seed 4" in patches.source
    assert "\n" not in patches.source
    again = data.natural_patches(300, 100, 12, seed=4)
    other = data.natural_patches(300, 100, 12, seed=5)
    assert np.array_equal(patches.train, again.train)
    assert np.array_equal(patches.test, again.test)
    assert not np.array_equal(patches.train, other.train)


@pytest.mark.parametrize(("kept", "disturbed"), [("train", "test"), ("test", "train")])
def test_natural_train_and_test_patches_share_no_pixel(monkeypatch, kept, disturbed):
    before = data.natural_patches(400, 400)
    photographs = load_photographs()
    for image in photographs.values():
        train_width = image.shape[1] - round(0.2 * image.shape[1])
        part = np.s_[:, train_width:] if disturbed == "test" else np.s_[:, :train_width]
        image[part] = noise(image[part].shape)
    monkeypatch.setattr(photographs_module, "load_photographs", lambda: photographs)
    after = data.natural_patches(400, 400)
    assert np.array_equal(getattr(after, kept), getattr(before, kept))
    changed = getattr(after, disturbed) != getattr(before, disturbed)
    assert changed.any(axis=(1, 2)).all()


def test_whitening_flattens_the_spectrum_of_the_photographs():
    # Power in two octaves: natural scenes have about four times as much per frequency in the lower
    # one (1/f^2); whitened, the ratio must be far nearer to one.
    def octave_ratio(image):
        power = np.abs(np.fft.fft2(image * np.outer(*map(np.hanning, image.shape)))) ** 2
        f = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])[None])
        return power[(f > 0.05) & (f < 0.1)].mean() / power[(f > 0.1) & (f < 0.2)].mean()

    images = load_photographs().values()
    raw = np.mean([np.log(octave_ratio(image - image.mean())) for image in images])
    white = np.mean([np.log(octave_ratio(data.whiten(image))) for image in images])
    assert raw > np.log(3)
    assert abs(white) < 0.5 * raw


def test_patch_that_does_not_fit_into_a_photograph_is_refused():
    with pytest.raises(ValueError, match="size=100, but image 3 is 300 x 451 pixels"):
        data.natural_patches(10, 10, 100)


def test_photograph_that_the_wheel_lacks_is_named(monkeypatch):
    monkeypatch.setattr(photographs_module, "PHOTOGRAPHS", ("nowhere.png",))
    with pytest.raises(FileNotFoundError, match=r"data/nowhere.png, but the installed version"):
        data.natural_patches(10, 10)
