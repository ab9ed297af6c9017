"""What fcnn says that it computes, each with its proof: what `fcnn verify` runs.

Functions are taken by their public names, those in `fcnn`, and everything is computed in this
process.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from fcnn.proof import layers, losses, networks, optimizers
from fcnn.proof.batch_norm_and_dropout import DEFINITIONS
from fcnn.proof.layer_cases import CHOSEN, TIES
from fcnn.proof.loss_cases import CHOSEN as CHOSEN_LOSSES
from fcnn.proof.proofs import BY_DIFFERENCES, EXACT, Proof, Run
from fcnn.proof.shipped_values import OPTIMIZERS, by_values, reference_cases
from fcnn.runs.model_by_name import MODELS


def proofs() -> list[Proof]:
    """All proofs, in the order in which they are reported: those of a name together."""
    gradient, smoothed, fused = "value_and_grad", "smoothed_cross_entropy", "softmax_cross_entropy"
    shipped = {case.operation for case in reference_cases()}
    table: list[tuple[Iterable[str], str, Callable[[str], Iterator[tuple[str, Run]]]]] = [
        (CHOSEN, "differences", layers.by_differences),
        (CHOSEN_LOSSES, "differences", losses.by_differences),
        (["softmax + cross_entropy"], fused, lambda _: losses.compositions()),
        ([gradient], "differences", lambda _: networks.gradients_by_differences()),
        (MODELS, "differences", networks.model_by_differences),
        (["predict"], "forward", lambda _: networks.predictions()),
        (OPTIMIZERS, "its equations", optimizers.by_equations),
        (["clip_by_global_norm"], "its equation", lambda _: optimizers.clipping()),
        (["l2_penalty"], "its equation", lambda _: optimizers.penalties()),
        (["with_average"], "its equation", lambda _: optimizers.averages()),
        (["masked"], "its optimizer alone", lambda _: optimizers.masking()),
        (["fit"], "a loop of steps", lambda _: networks.fits()),
        # Further proofs of the same.
        (TIES, "its rule for ties", layers.on_ties),
        (DEFINITIONS, "its definition", lambda name: DEFINITIONS[name]()),
        ([gradient], "backward", lambda _: networks.gradients_by_backward()),
        (shipped, "values of PyTorch", by_values),
        ([smoothed], fused, lambda _: losses.without_smoothing()),
    ]
    tolerances = {"differences": BY_DIFFERENCES, "its rule for ties": BY_DIFFERENCES}
    found = [
        Proof(name, against, tolerances.get(against, EXACT), partial(cases, name))
        for names, against, cases in table
        for name in names
    ]
    order = list(dict.fromkeys(proof.layer for proof in found))
    return sorted(found, key=lambda proof: order.index(proof.layer))
