"""Settings of all oracle tests."""

import torch

# The arrays here are small: waking a second thread costs more than it saves.
torch.set_num_threads(1)
