"""What somebody drew, as one feature of any file: the seam between file formats and layers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

Shape = tuple[str, Any]  # `LineString`, `Polygon`, `Point` and its GeoJSON coordinates


class Drawn(NamedTuple):
    """One feature of a file, not yet checked; several shapes where it is a multi-geometry."""

    number: int  # in the file's own count, from 0
    properties: Mapping[str, Any]
    shapes: tuple[Shape, ...]
