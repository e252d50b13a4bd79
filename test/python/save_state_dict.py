"""save_state_dict.py INPUT FILE: saves the tensors of a safetensors file by torch.save."""
import sys

import torch

import safetensors_io

torch.save(safetensors_io.load(sys.argv[1]), sys.argv[2])
