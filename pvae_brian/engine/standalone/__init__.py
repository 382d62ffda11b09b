"""Brian2's C++ standalone device, compiled once and then run again and again."""

from pvae_brian.engine.standalone.build import has_compiler
from pvae_brian.engine.standalone.cache import find_or_build
from pvae_brian.engine.standalone.worker import Worker

__all__ = ["Worker", "find_or_build", "has_compiler"]
