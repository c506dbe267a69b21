"""Fit a camera to landmarks: pixels whose place on Earth somebody surveyed."""
