"""Programs of many processes: each holds the same and computes its part, all get the same bits.

world = fcnn.distributed.mpi_world()
fit(..., world=world)
"""

from fcnn.distributed.mpi import mpi_world as mpi_world
from fcnn.distributed.world import World as World

# Public is what is imported above, not the modules that it comes from.
__all__ = [
    name for name, value in globals().items() if name[0] != "_" and not hasattr(value, "__spec__")
]


def __dir__() -> list[str]:
    return __all__
