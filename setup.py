"""Compile the hottest rooms of the engine to C, if `TUANBIEN_COMPILED=1`: the same code, faster.

mypyc makes extension modules of the very files that run interpreted otherwise, so there is no
second engine to keep in step; `make compiled` builds them. What pyproject.toml says of the package
stands. A class of msgspec's cannot be compiled, so the modules that define any are left out.
"""

import os

from setuptools import setup

_COMPILED = [
    "fusion/core.py",
    "fusion/course.py",
    "fusion/docket.py",
    "fusion/engine.py",
    "fusion/heeding.py",
    "fusion/judging.py",
    "fusion/local_frame.py",
    "fusion/matters.py",
    "fusion/situation/border.py",
    "fusion/situation/crossing.py",
    "fusion/situation/groups.py",
    "fusion/situation/matching.py",
    "fusion/situation/passage.py",
    "fusion/situation/prediction.py",
    "fusion/situation/trail_network.py",
    "fusion/telling.py",
    "fusion/tracking/association.py",
    "fusion/tracking/merging.py",
    "fusion/tracking/motion.py",
    "fusion/tracking/nearby.py",
    "fusion/tracking/placing.py",
    "fusion/tracking/registration.py",
    "fusion/tracking/tracker.py",
    "fusion/trodden.py",
]


def _extensions() -> list[object]:
    if os.environ.get("TUANBIEN_COMPILED") != "1":
        return []
    from mypyc.build import mypycify  # noqa: PLC0415 - of the few who compile

    modules = mypycify(_COMPILED, opt_level="3", debug_level="0")
    for module in modules:
        # The same rounding as interpreted, whatever the processor: no a * b + c in one step.
        module.extra_compile_args.append("-ffp-contract=off")
    return list(modules)


setup(ext_modules=_extensions())
