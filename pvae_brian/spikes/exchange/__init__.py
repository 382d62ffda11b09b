"""Records in the formats of others: Neo, NWB, xarray and pandas, one module each.

Each module holds the methods of `SpikeRecord` of that format. Their packages are optional and
load when first used: pip install "pvae_brian[neo]", [nwb], [xarray] or [pandas].
"""
