"""Trees of arrays: parameters, gradients, velocities, and maps over them.

The names follow `jax.tree`. Nodes are attrs classes, tuples (named ones stay named),
lists, dicts (keys sorted) and None; anything else is a leaf. A path names a place in a
tree as Python would: `[0].w`, `['bias'][2]`.

>>> import fcnn, numpy as np
>>> params = (fcnn.DenseParams(w=np.ones((2, 3)), b=np.zeros(3)), ())
>>> fcnn.tree.map(lambda a: a.shape, params)
(DenseParams(w=(2, 3), b=(3,)), ())
>>> print(fcnn.tree.describe(params))
[0].w  float64[2,3]
[0].b  float64[3]
2 arrays, 9 parameters
"""

from fcnn.tree.comparison import allclose, equal
from fcnn.tree.description import describe
from fcnn.tree.files import load, save
from fcnn.tree.mapping import (
    all,
    leaves,
    leaves_with_path,
    map,
    map_with_path,
    reduce,
)
from fcnn.tree.structure import Structure, Tree, flatten, structure, unflatten

__all__ = [
    "Structure",
    "Tree",
    "all",
    "allclose",
    "describe",
    "equal",
    "flatten",
    "leaves",
    "leaves_with_path",
    "load",
    "map",
    "map_with_path",
    "reduce",
    "save",
    "structure",
    "unflatten",
]
