"""Optimizers with mistakes, for `mistakes`."""

import attrs
import numpy as np

from fcnn import tree
from fcnn.optimizers import adam as adaptive_moments
from fcnn.optimizers import gradient_transforms as gradient_changes
from fcnn.optimizers import sgd as optimizers


def other_sgd(change):
    """sgd whose step is v, p = change(momentum, rate, v, p, g), leaf by leaf; with other
    settings, what it should be.
    """
    right = optimizers.sgd

    def sgd(learning_rate, momentum=0.0, **settings):
        if settings:
            return right(learning_rate, momentum, **settings)
        rate = learning_rate if callable(learning_rate) else lambda step: learning_rate

        def step(params, grads, state):
            eta = float(rate(int(state.steps)))
            velocity = tree.map(
                lambda p, g, v: change(momentum, eta, v, p, g)[0], params, grads, state.velocity
            )
            params = tree.map(
                lambda p, g, v: change(momentum, eta, v, p, g)[1], params, grads, state.velocity
            )
            return params, optimizers.SgdState(np.asarray(state.steps + 1), velocity)

        return attrs.evolve(right(learning_rate, momentum), step=step)

    return [(optimizers, "sgd", sgd)]


def momentum_sign(momentum, eta, v, p, g):
    new = -momentum * v - eta * g
    return new, p + new


def velocity_subtracted(momentum, eta, v, p, g):
    new = momentum * v - eta * g
    return new, p - new


def nesterov(momentum, eta, v, p, g):
    new = momentum * v - eta * g
    return new, p + momentum * new - eta * g


def dampened(momentum, eta, v, p, g):
    new = momentum * v - (1 - momentum) * eta * g
    return new, p + new


def adam_with(change):
    """adam and adamw whose step is the learning rate times change(m, s, t, betas, epsilon), for
    the running averages m of the gradient and s of its square after step t.
    """
    right = adaptive_moments._adam

    def adam(function, learning_rate, beta1, beta2, epsilon, weight_decay, decays):
        made = right(function, learning_rate, beta1, beta2, epsilon, weight_decay, decays)
        rate = optimizers.rate_of(function, learning_rate)

        def step(params, grads, state):
            _, new = made.step(params, grads, state)
            eta, t = rate(int(state.steps)), int(new.steps)
            moved = tree.map_with_path(
                lambda path, p, m, s: (1 - eta * weight_decay * decays(path, p)) * p
                - eta * change(m, s, t, (beta1, beta2), epsilon),
                params, new.mean, new.square,
            )  # fmt: skip
            return moved, new

        return attrs.evolve(made, step=step)

    return [(adaptive_moments, "_adam", adam)]


def uncorrected(m, s, t, betas, epsilon):
    return m / (np.sqrt(s) + epsilon)


def epsilon_under_the_root(m, s, t, betas, epsilon):
    m, s = m / (1 - betas[0] ** t), s / (1 - betas[1] ** t)
    return m / np.sqrt(s + epsilon)


def corrected_a_step_late(m, s, t, betas, epsilon):
    m, s = m / (1 - betas[0] ** (t + 1)), s / (1 - betas[1] ** (t + 1))
    return m / (np.sqrt(s) + epsilon)


def decay_through_the_gradient(module, name, undecayed):
    """Weight decay that is an L2 penalty on what the optimizer is without it."""
    right = getattr(module, name)

    def optimizer(*arguments, **settings):
        if "weight_decay" not in settings:
            return right(*arguments, **settings)
        decay = settings.pop("weight_decay")
        return gradient_changes.l2_penalty(undecayed(*arguments, **settings), decay)

    return [(module, name, optimizer)]


def decay_of_every_leaf(module):
    right = module.kept_fractions

    def kept_fractions(structure, rows, decay, decays):
        return right(structure, rows, decay, lambda path, leaf: True)

    return [(module, "kept_fractions", kept_fractions)]


def forgetful_nesterov():
    right = optimizers.sgd

    def sgd(*arguments, nesterov=False, **settings):
        return right(*arguments, **settings)

    return [(optimizers, "sgd", sgd)]
