"""What fcnn says that it computes, each with its proof: what `fcnn verify` runs.

Functions are taken by their public names, those in `fcnn`, and everything is computed in this
process.
"""

from collections.abc import Callable, Iterator
from functools import partial

from fcnn.proof import layers, losses, networks, optimizers, shipped_values
from fcnn.proof.batch_norm_and_dropout import DEFINITIONS
from fcnn.proof.layer_cases import CHOSEN, TIES
from fcnn.proof.loss_cases import CHOSEN as CHOSEN_LOSSES
from fcnn.proof.proofs import BY_DIFFERENCES, EXACT, Proof, Run
from fcnn.proof.shipped_values import OPTIMIZERS
from fcnn.runs.model_by_name import MODELS


def proofs() -> list[Proof]:
    """All proofs, in the order in which they are reported."""
    fused = "softmax_cross_entropy"
    return [
        *(proof for name in CHOSEN for proof in _of_layer(name)),
        *(proof for name in CHOSEN_LOSSES for proof in _of_loss(name)),
        Proof("smoothed_cross_entropy", fused, EXACT, losses.without_smoothing),
        Proof("softmax + cross_entropy", fused, EXACT, losses.compositions),
        _by_differences("value_and_grad", networks.gradients_by_differences),
        Proof("value_and_grad", "backward", EXACT, networks.gradients_by_backward),
        _by_values("value_and_grad"),
        *(_by_differences(name, partial(networks.model_by_differences, name)) for name in MODELS),
        Proof("predict", "forward", EXACT, networks.predictions),
        *(proof for name in OPTIMIZERS for proof in _of_optimizer(name)),
        Proof("fit", "a loop of steps", EXACT, networks.fits),
    ]


def _of_layer(name: str) -> Iterator[Proof]:
    yield _by_differences(name, partial(layers.by_differences, name))
    if name in TIES:
        yield Proof(name, "its rule for ties", BY_DIFFERENCES, partial(layers.on_ties, name))
    if name in DEFINITIONS:
        yield Proof(name, "its definition", EXACT, DEFINITIONS[name])
    if any(name == case.operation for case in shipped_values.reference_cases()):
        yield _by_values(name)


def _of_loss(name: str) -> Iterator[Proof]:
    yield _by_differences(name, partial(losses.by_differences, name))
    yield _by_values(name)


def _of_optimizer(name: str) -> Iterator[Proof]:
    yield Proof(name, "its equations", EXACT, partial(optimizers.by_equations, name))
    yield _by_values(name)


def _by_differences(name: str, cases: Callable[[], Iterator[tuple[str, Run]]]) -> Proof:
    return Proof(name, "differences", BY_DIFFERENCES, cases)


def _by_values(name: str) -> Proof:
    return Proof(name, "values of PyTorch", EXACT, partial(shipped_values.by_values, name))
