"""Drawing the polar curves, by size, beside one pass over as many pixels and beside Pillow's lines."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Figure, growth
from benchmarks.timing import rates, turns

SIZES = (64, 128, 256)
COUNT = 64
PASS, PILLOW = "exp of every pixel", "Pillow, a smoothed polygon"
SMOOTHED = 4  # Pillow draws so much larger and reduces, for it has no smooth lines


def figures(quick: bool, tree: Path) -> list[Figure]:
    """Images a second of both geometries."""
    import numpy as np

    from core.data import polar_curves

    rounds = 3 if quick else 12
    ab = polar_curves.draw_parameters(COUNT, 0)
    pixels = np.random.default_rng(0).random((COUNT, SIZES[-1], SIZES[-1]), np.float32)
    geometries: tuple[polar_curves.Geometry, ...] = ("article", "square")
    times = turns(
        {
            **{name: lambda name=name: polar_curves.render(ab, SIZES[-1], name) for name in geometries},
            PASS: lambda: np.exp(pixels),
            PILLOW: lambda: [pillow_image(SIZES[-1]) for _ in range(COUNT)],
            **{str(size): lambda size=size: polar_curves.render(ab, size, "square") for size in SIZES},
        },
        rounds,
    )
    speeds = {name: rates(taken, COUNT) for name, taken in times.items()}
    found = [
        Figure(f"draw images of 256², {name}", "/s", speeds[name], other, speeds[other])
        for name in geometries
        for other in (PASS, PILLOW)
    ]
    pixel_counts = [size**2 for size in SIZES]
    exponents = tuple(growth(pixel_counts, turn) for turn in zip(*(times[str(size)] for size in SIZES), strict=True))
    return [*found, Figure("· drawing grows with the number of pixels to the power of", "", exponents)]


def pillow_image(size: int) -> object:
    """One closed curve of 400 points, drawn large and reduced."""
    import numpy as np
    from PIL import Image, ImageDraw

    image = Image.new("L", (size * SMOOTHED, size * SMOOTHED))
    angles = np.linspace(0, 2 * np.pi, 400)
    radius = (0.3 + 0.1 * np.cos(3 * angles)) * size * SMOOTHED
    places = np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1) + size * SMOOTHED / 2
    ImageDraw.Draw(image).polygon([tuple(place) for place in places.tolist()], outline=255, width=2 * SMOOTHED)
    return image.reduce(SMOOTHED)
