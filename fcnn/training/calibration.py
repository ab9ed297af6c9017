"""Statistics of batch normalisation, from a sample of the training set."""

from fcnn.arguments.examples import check_batch
from fcnn.arguments.settings import check_kind
from fcnn.distributed.blas_threads import on_one_blas_thread
from fcnn.distributed.sample import Sample
from fcnn.distributed.world import ALONE, World
from fcnn.layers.layer import Layer, call_calibrate
from fcnn.networks.rewriting import by_faster
from fcnn.numerics.arrays import Array
from fcnn.tree import Tree


def calibrate(model: Layer, params: Tree, x: Array) -> Tree:
    """Parameters with the statistics of a sample of inputs, layer after layer.

    "Precise batch normalization": each layer gets the mean and variance of what the layers
    below it, calibrated already, give for the whole sample (Wu and Johnson: "Rethinking Batch
    in BatchNorm", 2021, section 3). Call it after training, before `predict` or `evaluate`;
    `fit` does so after each epoch.

    The sample goes through in shards, on all cores; a layer gets the sums of all of them, in
    float64, and so the bits depend on the sample alone.

    Parameters
    ----------
    model, params
        A model without statistics gives back the parameters it got.
    x
        About 1,000 inputs (N, ...) of the training set, as they are in inference.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> model = fcnn.chain(fcnn.flatten, fcnn.batch_norm())
    >>> params, _ = model.init(np.random.default_rng(0), (1, 1, 1))
    >>> x = np.array([1.0, 3.0], np.float32).reshape(2, 1, 1, 1)
    >>> fcnn.calibrate(model, params, x)[1].mean
    array([2.], dtype=float32)
    """
    check_kind("calibrate", "model", model, Layer)
    check_batch("calibrate", "x", x)
    if model.calibrate is None:
        return params
    return with_statistics(model, params, x, world=ALONE, threads=None)


@on_one_blas_thread
def with_statistics(
    model: Layer, params: Tree, x: Array, *, world: World, threads: int | None
) -> Tree:
    """`calibrate` of a model that has statistics, without its checks: all processes of a world
    call it with the whole sample, and get the same bits as one alone.
    """

    def calibrated(model: Layer, world: World) -> Tree:
        return call_calibrate(model, params, Sample.of(x, world, threads))[0]

    return by_faster(
        model,
        lambda model: calibrated(model, world),
        # The others may have met no error, and be elsewhere.
        again=lambda model: calibrated(model, ALONE),
    )
