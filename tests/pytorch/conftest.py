"""Settings of all tests beside PyTorch."""

import torch
from mistaken import library as library

# The arrays here are small: waking a second thread costs more than it saves.
torch.set_num_threads(1)
