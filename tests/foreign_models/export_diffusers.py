"""Make diffusers_vae/ and diffusers_vae.npz: a small AutoencoderKL of diffusers as it saves one, and what it computes.

Run it by a Python that has diffusers, torch and safetensors: PYTHON tests/foreign_models/export_diffusers.py
"""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL  # pyright: ignore[reportMissingImports]

HERE = Path(__file__).parent

torch.manual_seed(0)
model = AutoencoderKL(
    down_block_types=("DownEncoderBlock2D",) * 2,
    up_block_types=("UpDecoderBlock2D",) * 2,
    block_out_channels=(4, 8),
    layers_per_block=1,
    norm_num_groups=2,
    latent_channels=4,
    sample_size=16,
    scaling_factor=0.5,
    shift_factor=0.1,
).eval()
model.save_pretrained(HERE / "diffusers_vae")
images, maps = torch.rand(4, 3, 16, 16) * 2 - 1, torch.randn(4, 4, 8, 8)
with torch.no_grad():
    means = (model.encode(images).latent_dist.mean - 0.1) * 0.5
    decoded = model.decode(maps / 0.5 + 0.1).sample
arrays = {"images": images, "means": means, "maps": maps, "decoded": decoded}
np.savez(HERE / "diffusers_vae.npz", **{name: array.numpy() for name, array in arrays.items()})
