"""The code that the spikes carry: its error, and how it falls while the window fills."""

from pvae_brian.decoding.course import CodeCourse, compute_code_course
from pvae_brian.decoding.features import decoder_features
from pvae_brian.decoding.reconstruction import Reconstruction, compute_reconstruction

__all__ = [
    "CodeCourse",
    "Reconstruction",
    "compute_code_course",
    "compute_reconstruction",
    "decoder_features",
]
