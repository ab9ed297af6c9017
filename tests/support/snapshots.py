"""How the structure of a layer or a network is written into a snapshot.

Snapshots hold the structure of trees exactly, values with a tolerance. Made with
pytest-regressions: one that is missing fails the test and writes the file to look at and commit;
`pytest --force-regen` rewrites those that differ.
"""

import numpy as np

from fcnn import tree


def described(layer, in_shape):
    params, out_shape = layer.init(np.random.default_rng(0), in_shape)
    return f"{layer!r}\n{in_shape} -> {out_shape}\n{tree.describe(params)}\n"
