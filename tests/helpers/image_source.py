"""Opening images without preparing them."""

from __future__ import annotations

from core.config import DataConfig
from core.data.sources.listing import listed
from core.data.sources.opening import open_listing
from core.data.sources.source import ImageSource


def open_source(config: DataConfig) -> ImageSource:
    """The images that ``config`` names."""
    return open_listing(listed(config.path), config)
