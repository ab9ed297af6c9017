"""Trees of arrays: parameters, gradients, velocities, and maps over them.

The names follow `jax.tree`. Nodes are attrs classes and dataclasses, tuples (named ones stay
named), lists, dicts and defaultdicts (keys sorted), OrderedDicts and None; `register` adds classes
of one's own, and anything else is a leaf. A path names a place in a tree as Python would:
`[0].w`, `['bias'][2]`.

>>> import fcnn, numpy as np
>>> params = (fcnn.DenseParams(w=np.ones((2, 3)), b=np.zeros(3)), ())
>>> fcnn.tree.map(lambda a: a.shape, params)
(DenseParams(w=(2, 3), b=(3,)), ())
>>> print(fcnn.tree.describe(params))
[0].w  float64[2,3]
[0].b  float64[3]
2 arrays, 9 parameters
"""

from fcnn.tree.comparison import allclose as allclose
from fcnn.tree.comparison import equal as equal
from fcnn.tree.description import describe as describe
from fcnn.tree.files import load as load
from fcnn.tree.files import save as save
from fcnn.tree.mapping import all as all
from fcnn.tree.mapping import leaves as leaves
from fcnn.tree.mapping import leaves_with_path as leaves_with_path
from fcnn.tree.mapping import map as map
from fcnn.tree.mapping import map_with_path as map_with_path
from fcnn.tree.mapping import reduce as reduce
from fcnn.tree.structure import Structure as Structure
from fcnn.tree.structure import Tree as Tree
from fcnn.tree.structure import flatten as flatten
from fcnn.tree.structure import register as register
from fcnn.tree.structure import structure as structure
from fcnn.tree.structure import unflatten as unflatten

# Public is what is imported above, not the modules that it comes from.
__all__ = [
    name for name, value in globals().items() if name[0] != "_" and not hasattr(value, "__spec__")
]


def __dir__() -> list[str]:
    return __all__
