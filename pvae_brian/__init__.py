"""Poisson variational autoencoders as spiking neurons in Brian2, and what their spikes cost.

The public names stand in ``__init__.pyi`` and load when they are first used, so that
``import pvae_brian`` is quick.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
