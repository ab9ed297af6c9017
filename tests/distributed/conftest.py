"""What tests of forked processes need."""

import pytest

from fcnn.distributed.helper_processes import can_fork


@pytest.fixture
def no_other_threads():
    """Threads that earlier tests have left, in another library too, would keep us from forking."""
    assert can_fork()
