"""Drawing of latent clouds without a window: camera, box and ticks, discs, colours. No Qt, no torch."""
