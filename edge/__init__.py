"""One process per device: video to detections on the ground, published over MQTT."""
