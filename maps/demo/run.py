"""`tuanbien demo`: a night that goes on until Ctrl-C, its alerts and its own error."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from edge.messages import Alert, AlertKind
from maps.demo.chain import Plan, folder_for, night_offset_s, run_folder_in, running_chain
from maps.demo.night import Night, running_night
from maps.demo.world import write_world

SUMMARY_EVERY_S: Final = 15.0
_LISTEN_S: Final = 0.5


@contextmanager
def interruptible() -> Iterator[None]:
    """End the block quietly on Ctrl-C or SIGTERM; what follows is not interrupted again."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        print("ending …", flush=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(*, data: Path | None, port: int, minutes: float | None) -> int:
    """Run the demo for so many minutes, or until told to stop."""
    with interruptible(), folder_for(data) as folder:
        files = write_world(folder, broker_url="mqtt://127.0.0.1:1883")
        plan = Plan(files.sector, run_folder_in(folder), port, night_offset_s())
        with running_chain(plan, say=say) as chain, running_night(chain, files, say=say) as night:
            say(f"open {chain.page_url}/ in a browser; Ctrl-C ends")
            _watch(night, minutes)
    return 0


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(text, flush=True)


def _watch(night: Night, minutes: float | None) -> None:
    began_s = time.monotonic()
    due_s = began_s + SUMMARY_EVERY_S
    try:
        while minutes is None or time.monotonic() < began_s + minutes * 60.0:
            alert = night.listen(within_s=_LISTEN_S)
            if alert is not None:
                say(describe(alert, night))
            if time.monotonic() >= due_s:
                due_s += SUMMARY_EVERY_S
                say(summary(night.figures()))
    finally:
        say(summary(night.figures()))


def describe(alert: Alert, night: Night) -> str:
    """Say in one line what an alert tells, and whether it is true."""
    truth = night.explained(alert)
    did = "crossed" if alert.kind == AlertKind.CROSSING else "are about to cross"
    verdict = f"true: {len(truth)} people {did}" if truth else "FALSE: nobody did"
    direction = "" if alert.direction is None else f" {alert.direction}"
    local = f"{alert.raised_at.astimezone(night.chain.sector.timezone):%H:%M:%S}"
    return (
        f"{local} ALERT {alert.severity}: {alert.kind}{direction}, {alert.headcount} people, "
        f"{alert.place.trail_id or 'off the trails'}, P {alert.probability:.2f}, "
        f"seen by {', '.join(alert.devices)} ({verdict})"
    )


def summary(figures: dict[str, Any]) -> str:
    """Say in a few lines how well the chain does against the truth."""
    whole = (
        f"after {figures['night_s']:.0f} s: {figures['alerts']} alerts, "
        f"{figures['false_alerts']} of them false; capture to fusion "
        f"{_seconds(figures['capture_to_fusion'])}, to map {_seconds(figures['capture_to_map'])}"
    )
    lines = [whole]
    for device, score in figures["devices"].items():
        if score["detection_rate"] is None:
            lines.append(f"  {device}: {score['frames']} frames, nobody in view yet")
            continue
        placed = ""
        if score["position_error_median_m"] is not None:
            placed = (
                f"; position error median {score['position_error_median_m']:.2f} m, p90 "
                f"{score['position_error_p90_m']:.2f} m, {score['inside_90_ellipse']:.0%} "
                "inside the 90 % ellipse"
            )
        lines.append(f"  {device}: {score['detection_rate']:.0%} of people found{placed}")
    memory = ", ".join(f"{name} {mib:.0f}" for name, mib in figures["memory_peak_mib"].items())
    lines.append(f"  memory (MiB, highest): {memory}")
    return "\n".join(lines)


def _seconds(latency: dict[str, float | None]) -> str:
    if latency["p95_s"] is None:
        return "-"
    return f"p50 {latency['p50_s']:.2f} s, p95 {latency['p95_s']:.2f} s"
