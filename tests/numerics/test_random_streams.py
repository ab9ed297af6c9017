"""Random streams: what is drawn depends on the seed, the purpose and the epoch alone."""

import numpy as np
import pytest

from fcnn.numerics import random_streams as streams


@pytest.mark.parametrize(("seed", "purpose", "epoch"), [(0, 0, 0), (7, 2, 0), (7, 2, 5), (7, 5, 2)])
def test_a_stream_is_that_of_its_seed_purpose_and_epoch(seed, purpose, epoch):
    sequence = np.random.SeedSequence(seed, spawn_key=(purpose, epoch))
    expected = np.random.Generator(np.random.PCG64(sequence)).random(8)
    assert np.array_equal(streams.generator(seed, purpose, epoch).random(8), expected)


def test_the_epoch_is_0_unless_given():
    a, b = streams.generator(3, streams.DATA), streams.generator(3, streams.DATA, 0)
    assert np.array_equal(a.random(8), b.random(8))


def test_every_purpose_has_a_constant_of_its_own_which_never_changes():
    assert (streams.PARAMETERS, streams.ORDER, streams.FORWARD, streams.DATA) == (0, 1, 2, 3)
    purposes = [value for name, value in vars(streams).items() if name.isupper()]
    assert len(set(purposes)) == len(purposes) >= 4
