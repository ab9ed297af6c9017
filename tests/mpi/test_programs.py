"""Programs of one's own in many processes: the bits of one, and one end for all."""

import pytest

# Calibration and dropout, 7 shards a batch, a last batch of one, evaluation.
FIT = """
    import hashlib, sys
    import numpy as np
    import fcnn
    from fcnn.distributed import mpi_world

    world = mpi_world() if sys.argv[1] == "world" else None
    rng = np.random.default_rng(0)
    x, labels = rng.random((401, 1, 8, 8), np.float32), np.arange(401) % 3
    model = fcnn.chain(
        fcnn.conv2d(3), fcnn.batch_norm(), fcnn.relu, fcnn.dropout(0.3), fcnn.flatten,
        fcnn.dense(3),
    )
    params, _ = model.init(rng, (1, 8, 8))
    optimizer = fcnn.adam(0.01)
    digest = hashlib.sha256()

    def note(*trees):
        for leaf in fcnn.tree.leaves(trees):
            digest.update(np.asarray(leaf).tobytes())

    for record in fcnn.fit(
        model, params, optimizer, (x[:400], labels[:400]), epochs=2, batch_size=200, seed=1,
        test=(x[300:], labels[300:]), weights=np.linspace(0.0, 2.0, 400), world=world,
    ):
        note(record.params, record.state, np.array([
            record.train_loss, record.train_accuracy, record.test_loss, record.test_accuracy
        ]))

    plain = fcnn.chain(fcnn.flatten, fcnn.dense(4), fcnn.dropout(0.3), fcnn.dense(3))
    params, _ = plain.init(rng, (1, 8, 8))
    f = fcnn.value_and_grad(plain, fcnn.softmax_cross_entropy, world=world)
    state = optimizer.init(params)
    for batch in (slice(0, 200), slice(200, 230), slice(400, 401)):
        value, grads = f(params, x[batch], labels[batch], rng)
        params, state = optimizer.step(params, grads, state)
        note(params, np.array(value))
    print(digest.hexdigest() + "\\n", end="")
"""


def test_fit_and_loops_of_ones_own_have_the_bits_of_one_process(launch):
    code, alone, err = launch(1, FIT, "alone")
    assert (err, code) == ("", 0)
    for count in (1, 2, 3, 5):
        code, out, err = launch(count, FIT, "world")
        assert (err, code) == ("", 0)
        assert out == alone * count


END = """
    import os, sys
    from fcnn.distributed import mpi_world

    world = mpi_world()
    if world.rank == int(sys.argv[2]) or sys.argv[2] == "3":
        if sys.argv[1] == "raise":
            raise ValueError("a bad moment")
        if sys.argv[1] == "interrupt":
            raise KeyboardInterrupt
        if sys.argv[1] == "exit":
            sys.exit(5)
    world.texts("the others wait for ever")
"""


@pytest.mark.parametrize(
    ("what", "rank", "code", "text"),
    [
        ("raise", 0, 1, "ValueError: a bad moment"),
        ("raise", 2, 1, "ValueError: a bad moment"),
        ("raise", 3, 1, "ValueError: a bad moment"),  # all of them
        ("interrupt", 1, 130, "KeyboardInterrupt"),
        ("exit", 0, 1, "ConnectionError: process 0 has ended, the others wait for it"),
        ("exit", 2, 1, "ConnectionError: process 2 has ended, the others wait for it"),
        ("exit", 3, 5, ""),
    ],
)
def test_a_process_that_does_not_go_on_ends_all(launch, what, rank, code, text):
    found, out, err = launch(3, END, what, rank)
    assert (found, out) == (code, "")
    assert text in err
    assert err.count("Traceback") == (text != "") or rank == 3  # of all, some may be as quick
    assert ("process 2:\n" in err) == (what == "raise" and rank == 2)


SHARED = """
    import mmap, os, sys
    import numpy as np
    from fcnn.distributed import mpi_world
    from fcnn.distributed.failing_alike import FailedAlikeError
    from fcnn.distributed.shared_arrays import held_once

    world = mpi_world()
    loads = []
    def load():
        loads.append(1)
        return [np.arange(100_000.0).reshape(10, -1), np.ones(3, np.int64), np.zeros((0, 2))]
    first, second, third = held_once(world, load)
    assert len(loads) == (world.rank == 0)
    assert np.array_equal(first, np.arange(100_000.0).reshape(10, -1))
    assert (second.tolist(), third.shape) == ([1, 1, 1], (0, 2))
    assert not (first.flags.writeable or second.flags.writeable)
    base = first
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)
    try:
        held_once(world, lambda: [np.ones(3), {}[world.rank]])
    except FailedAlikeError as error:
        assert isinstance(error.error, KeyError) and error.rank == 0
        assert "in load" not in str(error) and "KeyError: 0" in str(error)
    world.texts("")
    print("well\\n", end="")
"""


def test_arrays_are_held_once_on_a_machine(launch):
    code, out, err = launch(3, SHARED)
    assert (err, code) == ("", 0)
    assert out == "well\n" * 3
