"""The plan of a run in many processes, with data that is held once on each machine."""

import json
from collections.abc import Callable

from fcnn.distributed.shared_arrays import held_once
from fcnn.distributed.world import World
from fcnn.numerics.arrays import Array
from fcnn.runs.config import Config, config_from
from fcnn.runs.plan import Plan, plan_of


def shared_plan(world: World, make: Callable[[], Plan]) -> Plan:
    """The plan that `make` gives, which the first process on each machine calls. All processes
    call this, and if it fails anywhere, all raise FailedAlikeError.
    """
    if world.size == 1:
        return make()
    made: list[Config] = []

    def arrays_of_plan() -> list[Array]:
        plan = make()
        made.append(plan.config)
        return [*plan.train, *plan.test, *(plan.validation or ())]

    x, labels, *held_out = held_once(world, arrays_of_plan)
    texts = world.texts("".join(json.dumps(config.plain()) for config in made))
    config = config_from(json.loads(texts[world.neighbours[0]]))
    test, validation = held_out[:2], held_out[2:]
    return plan_of(config, (x, labels), _pair(validation) if validation else None, _pair(test))


def _pair(arrays: list[Array]) -> tuple[Array, Array]:
    x, labels = arrays
    return x, labels
