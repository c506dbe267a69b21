"""One process per sector: detections of all devices to one picture and its alerts."""
