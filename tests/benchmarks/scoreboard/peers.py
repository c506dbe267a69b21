"""Stone Soup and norfair over the detections of one scene: a program of the peers' environment.

    python peers.py FRAMES.jsonl RECORDS.jsonl METHOD [key=value …]

It imports nothing of this project and runs where numpy is what the peers pin (`peers.txt`).
FRAMES.jsonl has one frame a line, in order of event time: `[t_s, [[x, y, xx, xy, yy, label], …]]`,
metres in the plane. METHOD is GNN, JPDA or norfair; `key=value` sets what `Setting` has.
RECORDS.jsonl begins with an object of the peer's name, version and own process time (making its
detections and writing records left out); then one record a line:
`[track, t_s, x, y, vx, vy, [xx, xy, yy] or null, label, ends]`.

Each frame is a time step of its own, each detection has its own covariance where the peer takes
one. The final picture counts, as for us: with what a track was before it was confirmed.
"""

import datetime as dt
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

EPOCH: Final = dt.datetime(2026, 3, 14, 17)  # noqa: DTZ001 - Stone Soup wants it bare
SPEED_SIGMA_MPS: Final = 1.5
ASIDE: Final = np.eye(4)[[0, 2]]

Frame = tuple[float, list[list[Any]]]
Record = tuple[str, float, float, float, float, float, list[float] | None, str, bool]


class Setting(NamedTuple):
    """What there is to tune."""

    people_only: int = 0  # 1: hand over what is labelled person, no more
    points: int = 4  # detections before a track is believed
    idle_s: float = 8.0  # Stone Soup: a track is deleted so long after its last detection
    # Stone Soup
    noise: float = 0.3  # white acceleration, m²/s³
    gate_sigmas: float = 3.7  # GNN: no farther, in sigmas
    tentative_s: float = 2.0
    likely: int = 0  # GNN: 1: assign by likelihood, 0: by Mahalanobis distance
    detect: float = 0.8  # in a frame; JPDA, and GNN by likelihood
    clutter_per_m2: float = 1e-5  # the same
    gate: float = 0.95  # the same: probability
    # norfair
    reach_m: float = 6.0
    period: int = 6  # frames that a detection is good for: as many as there are devices
    inertia: int = 60  # frames without a detection before it is dropped
    r: float = 4.0
    q: float = 0.001


def stone_soup(method: str, setting: Setting, frames: list[Frame]) -> tuple[list[Record], float]:
    """Run global nearest neighbour or joint probabilistic association."""
    from stonesoup.models.measurement.linear import LinearGaussian  # noqa: PLC0415
    from stonesoup.types.detection import Detection  # noqa: PLC0415

    steps = []
    for at_s, found in frames:
        # An empty frame would only predict and cost time; it deletes by time, not by frames.
        if not found:
            continue
        when = EPOCH + dt.timedelta(seconds=at_s)
        seen = set()
        for x, y, xx, xy, yy, label in found:
            model = LinearGaussian(4, (0, 2), np.array([[xx, xy], [xy, yy]]))
            seen.add(Detection(np.array([[x], [y]]), when, model, metadata={"label": label}))
        steps.append((when, seen))
    tracker = stone_soup_tracker(method, setting, steps)
    tracks: dict[str, Any] = {}
    began_s = time.process_time()
    for _, living in tracker:
        tracks.update((track.id, track) for track in living)
    took_s = time.process_time() - began_s
    return [one for track in tracks.values() for one in stone_soup_records(track)], took_s


def stone_soup_tracker(method: str, setting: Setting, steps: list[Any]) -> Any:
    """Put the parts together as its own examples do."""
    from stonesoup.dataassociator.neighbour import GNNWith2DAssignment  # noqa: PLC0415
    from stonesoup.dataassociator.probability import JPDAwithLBP  # noqa: PLC0415
    from stonesoup.deleter.time import UpdateTimeDeleter  # noqa: PLC0415
    from stonesoup.hypothesiser.distance import DistanceHypothesiser  # noqa: PLC0415
    from stonesoup.hypothesiser.probability import PDAHypothesiser  # noqa: PLC0415
    from stonesoup.initiator.simple import MultiMeasurementInitiator  # noqa: PLC0415
    from stonesoup.measures import Mahalanobis  # noqa: PLC0415
    from stonesoup.models.transition.linear import (  # noqa: PLC0415
        CombinedLinearGaussianTransitionModel,
        ConstantVelocity,
    )
    from stonesoup.predictor.kalman import KalmanPredictor  # noqa: PLC0415
    from stonesoup.tracker.simple import (  # noqa: PLC0415
        MultiTargetMixtureTracker,
        MultiTargetTracker,
    )
    from stonesoup.types.state import GaussianState  # noqa: PLC0415
    from stonesoup.updater.kalman import KalmanUpdater  # noqa: PLC0415

    walk = ConstantVelocity(setting.noise)
    predictor = KalmanPredictor(CombinedLinearGaussianTransitionModel([walk, walk]))
    updater = KalmanUpdater(None)
    by_distance = DistanceHypothesiser(predictor, updater, Mahalanobis(), setting.gate_sigmas)
    by_likelihood = PDAHypothesiser(
        predictor, updater, setting.clutter_per_m2, setting.detect, setting.gate
    )
    nearest = GNNWith2DAssignment(by_distance)
    if method == "JPDA":
        kind, associator = MultiTargetMixtureTracker, JPDAwithLBP(by_likelihood)
    else:
        kind = MultiTargetTracker
        associator = GNNWith2DAssignment(by_likelihood) if setting.likely else nearest
    spread = np.diag([1.0, SPEED_SIGMA_MPS**2, 1.0, SPEED_SIGMA_MPS**2])
    initiator = MultiMeasurementInitiator(
        GaussianState(np.zeros((4, 1)), spread),
        UpdateTimeDeleter(dt.timedelta(seconds=setting.tentative_s)),
        nearest,
        updater,
        min_points=setting.points,
    )
    deleter = UpdateTimeDeleter(dt.timedelta(seconds=setting.idle_s))
    return kind(initiator, deleter, iter(steps), associator, updater)


def stone_soup_records(track: Any) -> Iterator[Record]:
    """Yield a track's states, under the label that most of its detections had until then."""
    labels: Counter[str] = Counter()
    last = len(track.states) - 1
    for index, state in enumerate(track.states):
        label = stone_soup_label(state)
        if label is not None:
            labels[label] += 1
        x, vx, y, vy = np.asarray(state.state_vector, dtype=float).ravel().tolist()
        cov = ASIDE @ np.asarray(state.covar, dtype=float) @ ASIDE.T
        at_s = (state.timestamp - EPOCH).total_seconds()
        xx, xy, yy = float(cov[0, 0]), float(cov[0, 1]), float(cov[1, 1])
        # Its last state is the one at which it was deleted.
        yield (track.id, at_s, x, y, vx, vy, [xx, xy, yy], leading(labels), index == last)


def stone_soup_label(state: Any) -> str | None:
    """Return the label of the detection that a state rests on, or on the most."""
    hypothesis = getattr(state, "hypothesis", None)
    if hasattr(hypothesis, "single_hypotheses"):
        hypothesis = max(
            (one for one in hypothesis if one), default=None, key=lambda one: one.probability
        )
    return str(hypothesis.measurement.metadata["label"]) if hypothesis else None


def norfair(setting: Setting, frames: list[Frame]) -> tuple[list[Record], float]:
    """Run norfair; its time is counted in frames, so each frame of any device is one."""
    from norfair import Detection, Tracker  # noqa: PLC0415
    from norfair.filter import OptimizedKalmanFilterFactory  # noqa: PLC0415

    tracker = Tracker(
        "euclidean",
        setting.reach_m,
        hit_counter_max=setting.inertia,
        initialization_delay=setting.points * setting.period,
        filter_factory=OptimizedKalmanFilterFactory(R=setting.r, Q=setting.q),
    )
    steps = [
        [
            Detection(np.array([[x, y]]), scores=np.array([1.0]), data=label)
            for x, y, _, _, _, label in found
        ]
        for _, found in frames
    ]
    # What an object was before it got its id is kept until it gets one.
    records: list[list[Any]] = []
    labels: dict[int, Counter[str]] = {}
    names: dict[int, int | None] = {}
    took_s = 0.0
    for (at_s, _), seen in zip(frames, steps, strict=True):
        began_s = time.process_time()
        tracker.update(detections=seen or None, period=setting.period)
        took_s += time.process_time() - began_s
        now = set(map(id, seen))
        for one in tracker.tracked_objects:
            key = one.initializing_id
            names[key] = one.id
            if id(one.last_detection) in now:
                labels.setdefault(key, Counter())[one.last_detection.data] += 1
            x, y = one.estimate[0].tolist()
            ends = not one.hit_counter_is_positive
            records.append([key, at_s, x, y, 0.0, 0.0, None, leading(labels[key]), ends])
    done = []
    for key, *rest in records:
        if names[key] is not None:
            done.append((f"n{names[key]}", *rest))
    return done, took_s


def leading(labels: Counter[str]) -> str:
    """Return the most frequent label; of several, the first in the alphabet."""
    return min(labels.items(), key=lambda one: (-one[1], one[0]))[0] if labels else "person"


def set_by(words: list[str]) -> Setting:
    """Read `key=value` words."""
    setting = Setting()
    for word in words:
        key, _, value = word.partition("=")
        kind = type(getattr(setting, key))
        setting = setting._replace(**{key: kind(value)})
    return setting


def main(words: list[str]) -> int:
    """Read frames, run one method, write its records."""
    source, target, method, *settings = words
    setting = set_by(settings)
    frames: list[Frame] = []
    with Path(source).open(encoding="utf-8") as lines:
        for line in lines:
            at_s, found = json.loads(line)
            if setting.people_only:
                found = [one for one in found if one[5] == "person"]
            frames.append((at_s, found))
    if method == "norfair":
        head = {"name": "norfair", "version": version("norfair")}
        records, took_s = norfair(setting, frames)
    else:
        head = {"name": f"Stone Soup {method}", "version": version("stonesoup")}
        records, took_s = stone_soup(method, setting, frames)
    with Path(target).open("w", encoding="utf-8") as out:
        out.write(json.dumps({**head, "seconds": took_s}) + "\n")
        out.writelines(json.dumps(record) + "\n" for record in records)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
