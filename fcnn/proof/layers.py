"""What each layer is: the gradients it has, and the plain functions it is made of."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import numpy as np

import fcnn
from fcnn import check, tree
from fcnn.layers.layer import call_backward, call_forward
from fcnn.proof.case import Case
from fcnn.proof.layer_cases import TIES, some_of
from fcnn.proof.proofs import BY_DIFFERENCES, Run, differences, spread

MOST_TIES: Final = 250  # of which each takes several times as long as other points


def by_differences(layer: str) -> Iterator[tuple[str, Run]]:
    """The layer's gradients, small ones by the whole Jacobian; and that its plain functions are
    those of the layer.
    """
    for case in some_of(layer):
        yield str(case), partial(_check, case)
        if "layers" not in case.settings:
            yield f"{case}, plain functions", partial(_plain_functions, case)
        if case.small:
            yield f"{case}, whole Jacobian", partial(_check, case, jacobian=True)


def on_ties(layer: str) -> Iterator[tuple[str, Run]]:
    """Gradients where the layer has none but by its rule."""
    for case in spread(TIES[layer](), MOST_TIES):
        yield str(case), partial(_check, case)
        if case.small:
            yield f"{case}, whole Jacobian", partial(_check, case, jacobian=True)


def _check(case: Case, jacobian: bool = False) -> Mapping[str, float]:
    report = check.layer(
        case.in_mode(),
        case.in_shape,
        batch=case.batch,
        x=case.x(),
        approach=case.direction(),
        jacobian=jacobian,
        tolerance=BY_DIFFERENCES,
    )
    return report.errors


def _plain_functions(case: Case) -> Mapping[str, float]:
    """The functions that the names in `fcnn` say they are give what the layer gives."""
    layer, (params, x, dy) = case.layer(), case.arguments()
    generators = [np.random.default_rng(0) if case.training else None for _ in range(2)]
    y, cache = call_forward(layer, params, x, generators[0])
    dparams, dx = call_backward(layer, cache, dy)
    given = [x] if params == () else [params, x]
    given += [generators[1]] if case.operation == "dropout" else []
    own_y, own_cache = getattr(fcnn, f"{case.operation}_forward")(
        *given, **case.function_settings()
    )
    gradients = getattr(fcnn, f"{case.operation}_backward")(own_cache, dy)
    own_dparams, own_dx = ((), gradients) if params == () else gradients
    return differences(
        {"y": own_y, "x": own_dx, **dict(tree.leaves_with_path(own_dparams))},
        {"y": y, "x": dx, **dict(tree.leaves_with_path(dparams))},
    )
