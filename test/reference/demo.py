"""The demo model's tensors, dequantized."""
import glob
import json
import os
import subprocess

import torch
from gguf import GGUFReader, dequantize

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")


def read(file):
    return {
        tensor.name: torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).reshape([int(n) for n in reversed(tensor.shape)]).copy()).float()
        for tensor in GGUFReader(file).tensors
    }


def demo_tensors():
    """Of the diffusion model, CLIP-L and TAESD, from the files that the package unpacks."""
    program = "import('./test/fixtures/unpack-demo.ts')"
    files = json.loads(subprocess.check_output(["node", "--import", "tsx", "-e", program], cwd=ROOT).decode())
    return [read(files[part]) for part in ("diffusionModel", "clipL", "taesd")]
