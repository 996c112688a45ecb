"""Numbers as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Such as 3m07s, 5h20m or 2d04h."""
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes}m{int(seconds) % 60:02d}s"
    return f"{minutes // 60}h{minutes % 60:02d}m" if minutes < 2880 else f"{minutes // 1440}d{minutes // 60 % 24:02d}h"
