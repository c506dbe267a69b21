"""The `tuanbien` script: hands over to a package's `cli` only when its name is called.

So an edge box needs no FastAPI and a fusion box no torch.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from edge.messages import RefusedError

COMMANDS: Final = {
    "edge": ("edge.cli", "camera and drone video to detections on the ground"),
    "fusion": ("fusion.cli", "detections of all devices to one picture and its alerts"),
    "maps": ("maps.cli", "the live map and the incident log"),
    "users": ("maps.people.cli", "who may log in to the map, as what"),
    "watchlist": ("fusion.watchlist.cli", "what a plate may be, by a watchlist"),
    "broker": ("fusion.broker", "the embedded MQTT broker"),
    "demo": ("maps.demo.cli", "a fictional border sector, the whole chain on it"),
}
USAGE: Final = "usage: tuanbien COMMAND …\n\n" + "\n".join(
    f"  {name:8} {what}" for name, (_, what) in COMMANDS.items()
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 done, 1 failed (one sentence on stderr), 2 wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name, rest = (words[0], words[1:]) if words else ("", [])
    if name in {"-h", "--help"}:
        print(USAGE)
        return 0
    if name not in COMMANDS:
        print(USAGE, file=sys.stderr)
        return 2
    module, _ = COMMANDS[name]
    return _run(name, module, rest)


def _run(name: str, module: str, arguments: Sequence[str]) -> int:
    try:
        cli = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] in {"edge", "fusion", "maps"}:
            raise
        extra, _, _ = module.partition(".")
        print(
            f"tuanbien {name}: the package {error.name!r} is not installed; "
            f"pip install 'tuanbien[{extra}]' brings it",
            file=sys.stderr,
        )
        return 1
    try:
        return int(cli.main(arguments))
    except RefusedError as error:
        print(f"tuanbien {name}: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
