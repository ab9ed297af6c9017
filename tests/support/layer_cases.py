"""The cases of `fcnn verify` chosen by hand, each with the loops that say what is right."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import attrs
import loops
import numpy as np

import fcnn
from fcnn.proof import case as proved
from fcnn.proof.layer_cases import CHOSEN


@attrs.frozen(slots=False)
class Case:
    """A case of the table: `layer` as a function of params and x alone, and `oracle(params, x, dy)`
    that gives (y, dparams leaves in order, dx) by slow loops.
    """

    case: proved.Case

    def __str__(self):
        return str(self.case).replace(" ", "")

    @cached_property
    def layer(self) -> fcnn.Layer:
        return self.case.in_mode()

    @property
    def in_shape(self):
        return self.case.in_shape

    @property
    def batch(self):
        return self.case.batch

    @property
    def oracle(self) -> Callable[[Any, np.ndarray, np.ndarray], tuple]:
        if self.case.operation != "batch_norm":
            return partial(loops.of_layer, self.case.operation, self.case.settings)
        given = None if self.case.training else proved.statistics(self.in_shape[0])
        return partial(loops.of_batch_norm, given=given, **self.case.settings)

    def draw(self, dtype=np.float64, seed=0):
        """Parameters with a bias that is not zero, x and dy."""
        rng = np.random.default_rng(seed)
        params, out_shape = self.layer.init(rng, self.in_shape)
        params = fcnn.tree.map(lambda a: rng.standard_normal(a.shape).astype(dtype), params)
        x = rng.standard_normal((self.batch, *self.in_shape)).astype(dtype)
        dy = rng.standard_normal((self.batch, *out_shape)).astype(dtype)
        return params, x, dy


def of(operation, in_shape, batch, **settings):
    """A case of one's own."""
    return Case(proved.Case(operation, tuple(in_shape), batch, settings))


# All but an empty chain, which refuses nothing, and what draws: no loops draw the same.
CASES = [
    Case(case)
    for cases in CHOSEN.values()
    for case in cases
    if case.settings.get("layers") != () and not (case.training and "dropout" in str(case))
]
