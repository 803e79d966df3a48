"""The VAE: networks, losses, devices, and fast inference."""
