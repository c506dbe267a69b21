"""The ground under the live map: tiles from a file, shaded relief, no internet needed."""
