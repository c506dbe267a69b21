"""From detections of many devices to tracks on the ground."""
