"""What a monitoring system reads at /metrics (Prometheus text format); a registry of its own."""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from edge.messages import FusionStatus
from maps.feed import Feed

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class FeedCollector(Collector):
    """Reads the figures off the feed when they are asked for."""

    def __init__(self, feed: Feed) -> None:
        """Watch one feed."""
        self._feed = feed

    def collect(self) -> Iterator[Metric]:
        """Yield each figure as it stands."""
        feed, picture = self._feed, self._feed.picture
        age_s = feed.fusion_age_s
        gauges = {
            "viewers": ("Open connections to the stream.", feed.stream.viewer_count),
            "tracks": ("Tracks in the picture.", len(picture.tracks())),
            "alerts": ("Alerts in the picture.", len(picture.alerts())),
            "incidents": ("Incidents in the picture.", len(picture.incidents())),
            "broker_connected": ("1 if the broker is connected.", feed.broker_connected),
            "store_answers": ("1 if the store answered lately.", feed.store_answers),
            "fusion_status_age_seconds": (
                "Seconds since fusion said how it is; NaN: never.",
                float("nan") if age_s is None else age_s,
            ),
        }
        for name, (what, value) in gauges.items():
            yield GaugeMetricFamily(f"tuanbien_maps_{name}", what, value=float(value))
        devices = GaugeMetricFamily(
            "tuanbien_maps_devices", "Devices by health.", labels=["health"]
        )
        for health, count in picture.count_devices().items():
            devices.add_metric([health], count)
        yield devices
        messages = CounterMetricFamily(
            "tuanbien_maps_messages", "MQTT messages taken, by kind.", labels=["kind"]
        )
        for kind, count in sorted(feed.messages.items()):
            messages.add_metric([kind], count)
        yield messages
        yield from _of_fusion(picture.fusion)
        yield CounterMetricFamily(
            "tuanbien_maps_messages_rejected", "MQTT messages set aside.", value=feed.rejected
        )
        yield CounterMetricFamily(
            "tuanbien_maps_events", "Events put on the stream.", value=feed.stream.event_count
        )


def _of_fusion(status: FusionStatus | None) -> Iterator[Metric]:
    """Yield what fusion says of devices that send what it cannot take."""
    refused = CounterMetricFamily(
        "tuanbien_fusion_refused",
        "Messages that fusion refused; of the devices with most.",
        labels=["device", "reason"],
    )
    offsets = GaugeMetricFamily(
        "tuanbien_fusion_clock_offset_seconds",
        "What fusion adds to the times of a device whose clock is wrong.",
        labels=["device"],
    )
    if status is not None:
        for device, reasons in sorted((status.refused_by or {}).items()):
            for reason, count in sorted(reasons.items()):
                refused.add_metric([device, reason], count)
        for device, offset_s in sorted((status.clock_offsets_s or {}).items()):
            offsets.add_metric([device], offset_s)
    yield refused
    yield offsets
    yield CounterMetricFamily(
        "tuanbien_fusion_history_forgotten",
        "Rows of history that were kept for long enough, since fusion began.",
        value=float((status and status.history_forgotten) or 0),
    )


class TileCollector(Collector):
    """Reads off how many tiles of the ground were asked for, and what came of it."""

    def __init__(self, answers: Mapping[tuple[str, str], int]) -> None:
        """Watch the count by layer and answer."""
        self._answers = answers

    def collect(self) -> Iterator[Metric]:
        """Yield the count as it stands."""
        tiles = CounterMetricFamily(
            "tuanbien_maps_tiles",
            "Tiles asked for: given, missing or damaged.",
            labels=["layer", "answer"],
        )
        for (layer, answer), count in sorted(self._answers.items()):
            tiles.add_metric([layer, answer], count)
        yield tiles


def exposition(feed: Feed, tiles: Mapping[tuple[str, str], int]) -> bytes:
    """Return the figures in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FeedCollector(feed))
    registry.register(TileCollector(tiles))
    return generate_latest(registry)
