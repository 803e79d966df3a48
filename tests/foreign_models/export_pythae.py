"""Make pythae_vae/ and pythae_vae.npz: a VAE of pythae as it saves one, and what it computes.

Run it by a Python that has pythae (`scripts/compare_pythae.py` makes one in the cache folder):
    PYTHON tests/foreign_models/export_pythae.py
"""

from pathlib import Path

import numpy as np
import torch
from pythae.models import VAE, VAEConfig  # pyright: ignore[reportMissingImports]

HERE = Path(__file__).parent

torch.manual_seed(0)
model = VAE(VAEConfig(input_dim=(1, 5, 6), latent_dim=3)).eval()
model.save(str(HERE / "pythae_vae"))
z = torch.randn(8, 3)
images = torch.rand(8, 1, 5, 6).mul(255).round().div(255)
with torch.no_grad():
    decoded, means = model.decoder(z).reconstruction, model.encoder(images).embedding
np.savez(HERE / "pythae_vae.npz", z=z.numpy(), decoded=decoded.numpy(), images=images.numpy(), means=means.numpy())
