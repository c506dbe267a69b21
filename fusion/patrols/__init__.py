"""Our own patrols: what they walked, and where they can be first."""
