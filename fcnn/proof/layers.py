"""What each layer is: the gradients it has, and the plain functions it is made of."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from fcnn import check
from fcnn.numerics.arrays import Array
from fcnn.proof.case import Case, first_greatest, from_below
from fcnn.proof.layer_cases import TIES, some_of
from fcnn.proof.proofs import BY_DIFFERENCES, Run, differences, spread
from fcnn.proof.shipped_values import gradients, plain_functions

MOST_TIES: Final = 250  # of which each takes several times as long as other points


def by_differences(layer: str) -> Iterator[tuple[str, Run]]:
    """The layer's gradients, small ones by the whole Jacobian; and that its plain functions are
    those of the layer.
    """
    for case in some_of(layer):
        yield from _checks(case)
        if "layers" not in case.settings:
            yield f"{case}, plain functions", partial(_plain_functions, case)


def on_ties(layer: str) -> Iterator[tuple[str, Run]]:
    """Gradients where the layer has none but by its rule."""
    approach = from_below if layer in ("relu", "leaky_relu") else first_greatest
    for case in spread(TIES[layer](), MOST_TIES):
        yield from _checks(case, approach(case.shape))


def _checks(case: Case, approach: Array | None = None) -> Iterator[tuple[str, Run]]:
    def errors(jacobian: bool) -> Mapping[str, float]:
        return check.layer(
            case.in_mode(),
            case.in_shape,
            batch=case.batch,
            x=case.x(),
            approach=approach,
            jacobian=jacobian,
            tolerance=BY_DIFFERENCES,
        ).errors

    yield str(case), partial(errors, jacobian=False)
    if case.small:
        yield f"{case}, whole Jacobian", partial(errors, jacobian=True)


def _plain_functions(case: Case) -> Mapping[str, float]:
    """The functions that the names in `fcnn` say they are give what the layer gives."""
    y, dparams, dx = case.results()
    settings = case.function_settings()
    if case.operation == "dropout":
        settings["rng"] = case.rng()
    return differences(
        plain_functions(case.operation, settings, case.inputs()),
        {"y": y, "dx": dx, **gradients(dparams)},
    )
