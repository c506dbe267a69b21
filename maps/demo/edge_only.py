"""`tuanbien demo --edge-only`: the simulated devices and the patrol on a broker that is there."""

import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from fusion.broker import DEFAULT_PORT, answers
from maps.demo.chain import folder_for, run_folder_in
from maps.demo.night import PREPARED_WITHIN_S, start_devices, start_preparing
from maps.demo.processes import Children
from maps.demo.run import interruptible, say
from maps.demo.world import write_world

_LOOK_EVERY_S: Final = 0.5


def run_edge_only(*, broker_url: str, data: Path | None, clock_offset_s: float) -> int:
    """Run the devices and the patrol until told to stop.

    Raises:
        RefusedError: The folder cannot be written, or a device ended by itself.
    """
    with interruptible(), folder_for(data) as folder:
        files = write_world(folder, broker_url=broker_url)
        with Children(run_folder_in(folder) / "logs") as children:
            say("preparing the detector and the people (the first time takes longer)")
            preparing = start_preparing(children, files)
            children.finish(preparing, within_s=PREPARED_WITHIN_S)
            began_at = start_devices(children, files, broker_url, clock_offset_s=clock_offset_s)
            say(f"three devices and a patrol send to {broker_url} since {began_at.rfc3339()}")
            address = urlsplit(broker_url)
            if not answers(address.hostname or "", address.port or DEFAULT_PORT):
                say(f"no broker answers on {broker_url} yet: they keep what they see and try on")
            while True:
                children.check()
                time.sleep(_LOOK_EVERY_S)
    return 0
