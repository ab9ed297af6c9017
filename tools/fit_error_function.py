"""Fit the coefficients of fcnn/error_function.py.

    python tools/fit_error_function.py

Needs mpmath. Fits R = P/Q, with Q(0) = 1, to atanh(erf(x)) / x as a function of x^2, so that
tanh(x R) has the smallest relative error: by least squares, linear in the coefficients, over
and over, each time weighted by the denominator and the error of the time before (Lawson).
Prints the coefficients from the highest power down, and the greatest relative error.
"""

from typing import Any

import mpmath
from mpmath import mpf

mpmath.mp.dps = 80

FITS = [("float32", 4, 3), ("float64", 6, 9)]  # where erf rounds to 1, and the degree of P and Q


def main() -> None:
    """Print both pairs of polynomials."""
    for dtype, end, degree in FITS:
        error, numerator, denominator = fit(mpf(end), degree)
        digits = 10 if dtype == "float32" else 20
        print(f"{dtype}: relative error {mpmath.nstr(error, 2)}")
        for name, coefficients in (("P", numerator), ("Q", denominator)):
            print(name, *(mpmath.nstr(c, digits) for c in reversed(coefficients)), sep="\n  ")


def fit(
    end: Any, degree: int, points: int = 150, rounds: int = 8
) -> tuple[Any, list[Any], list[Any]]:
    """The least greatest relative error found, and the coefficients of P and Q upward."""
    xs = [end * (1 - mpmath.cos(mpmath.pi * (k + mpf(1) / 2) / points)) / 2 for k in range(points)]
    erfs = [mpmath.erf(x) for x in xs]
    ratios = [mpmath.log((1 + e) / mpmath.erfc(x)) / 2 / x for e, x in zip(erfs, xs, strict=True)]
    # A relative error of the ratio is one of tanh times this, which vanishes far from zero;
    # what is added keeps the fit sane there.
    slopes = [(1 - e * e) * x / e + mpf(10) ** -20 for e, x in zip(erfs, xs, strict=True)]
    powers = [[(x / end) ** (2 * j) for j in range(degree + 1)] for x in xs]
    weights, below = [mpf(1)] * points, [mpf(1)] * points
    best = None
    for _ in range(rounds):
        matrix, right = mpmath.matrix(points, 2 * degree + 1), mpmath.matrix(points, 1)
        for i in range(points):
            scale = slopes[i] * mpmath.sqrt(weights[i]) / below[i]
            row = [*powers[i], *(-ratios[i] * power for power in powers[i][1:])]
            for j, value in enumerate(row):
                matrix[i, j] = scale * value
            right[i] = scale * ratios[i]
        solution = list(mpmath.lu_solve(matrix.T * matrix, matrix.T * right))
        above, own = solution[: degree + 1], [mpf(1), *solution[degree + 1 :]]
        below = [mpmath.fdot(own, power) for power in powers]
        errors = [
            abs(slopes[i] * (mpmath.fdot(above, powers[i]) / below[i] - ratios[i]))
            for i in range(points)
        ]
        worst = max(errors)
        if best is None or worst < best[0]:
            scaled = [[c / end ** (2 * j) for j, c in enumerate(cs)] for cs in (above, own)]
            best = (worst, *scaled)
        weights = [w * (e / worst + mpf("1e-3")) for w, e in zip(weights, errors, strict=True)]
    assert best is not None
    return best


if __name__ == "__main__":
    main()
