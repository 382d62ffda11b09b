"""Image data to train and to test on: natural-image patches, digits, van Hateren files.

scikit-image and scikit-learn are optional and load when first used: pip install "pvae_brian[data]".
"""

from pvae_brian.data.choose import ImageSet, load_data
from pvae_brian.data.digits import Digits, load_digits
from pvae_brian.data.filters import normalize_contrast, whiten
from pvae_brian.data.patches import Patches, patches_from_images
from pvae_brian.data.photographs import natural_patches
from pvae_brian.data.processed import load_processed
from pvae_brian.data.shipped import shipped_model, shipped_patches
from pvae_brian.data.van_hateren import load_van_hateren, van_hateren_patches

__all__ = [
    "Digits",
    "ImageSet",
    "Patches",
    "load_data",
    "load_digits",
    "load_processed",
    "load_van_hateren",
    "natural_patches",
    "normalize_contrast",
    "patches_from_images",
    "shipped_model",
    "shipped_patches",
    "van_hateren_patches",
    "whiten",
]
