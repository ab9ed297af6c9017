"""Products of matrices."""

import numpy as np

from fcnn.numerics.arrays import Array


def product(a: Array, b: Array, out: Array | None = None) -> Array:
    """`np.matmul`, whose false alarms are no errors.

    OpenBLAS may raise the processor's flag of an invalid operation while it multiplies a float32
    matrix with a vector, with AVX-512 above all: it computes with what lies in memory behind them
    too, and throws that away. NumPy tells of an "invalid value encountered in matmul", though all
    is right. Where warnings or `np.errstate` make that an error, it is one only if the product
    has numbers that are not finite. Nothing is done where it is a warning: to look for it would
    cost more than many a product.
    """
    try:
        return np.matmul(a, b, out=out)
    except (FloatingPointError, RuntimeWarning):
        with np.errstate(invalid="ignore"):  # what overflows is an error again
            y: Array = np.matmul(a, b, out=out)
        if np.isfinite(y).all():
            return y
        raise
