"""A network of which a part is trained, and the rest frozen: what fine-tuning trains."""

from functools import partial

import attrs

from fcnn import tree
from fcnn.distributed.sample import Sample
from fcnn.layers.layer import Layer, SharedCalibration, call_apply, call_calibrate
from fcnn.networks.chain import chain
from fcnn.networks.parallel import parallel
from fcnn.networks.residual import residual
from fcnn.optimizers.optimizer import Optimizer
from fcnn.tree import Tree
from fcnn.tree.structure import check_same_structure


def as_trained_by(optimizer: Optimizer, model: Layer, params: Tree) -> Layer:
    """The model as it is in training with an optimizer, which may train a part of it."""
    if optimizer.trained is None:
        return model
    trained = optimizer.trained(params)
    check_same_structure(
        "fit: parameters and what the optimizer trains",
        tree.structure(params),
        tree.structure(trained),
    )
    return with_frozen(model, trained)


def with_frozen(model: Layer, trained: Tree) -> Layer:
    """The model as it is in training if only some of its parameters are trained.

    trained is a tree like them, with a bool for each leaf. A layer none of whose leaves is trained
    is marked as frozen: no gradient is computed for it alone. If it has statistics, it does what
    it does in inference, and is not calibrated; where some leaves are not trained, those keep
    their values in calibration.
    """
    flags = tree.leaves(trained)
    if all(flags):
        return model
    frozen = not any(flags)
    if model.make in (chain, parallel, residual):
        parts = (trained,) if model.make is residual else trained
        layers = map(with_frozen, model.children, parts)
        return attrs.evolve(model.make(*layers, **model.settings), frozen=frozen)
    if model.calibrate is None:
        return attrs.evolve(model, frozen=frozen)
    if not frozen:
        calibrate = SharedCalibration(partial(_calibrate, model, trained))
        return attrs.evolve(model, calibrate=calibrate, make=None)
    return attrs.evolve(
        model,
        forward=lambda params, x, rng=None: model.forward(params, x),
        needs_rng=False,
        calibrate=None,
        make=None,
        frozen=True,
    )


def _calibrate(layer: Layer, trained: Tree, params: Tree, sample: Sample) -> tuple[Tree, Sample]:
    """Layers above get what this one gives in inference with the statistics that it keeps."""
    calibrated, _ = call_calibrate(layer, params, sample)
    kept = tree.map(lambda flag, new, old: new if flag else old, trained, calibrated, params)
    return kept, sample.map(lambda x: call_apply(layer, kept, x))
