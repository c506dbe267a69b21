"""A few crops for people to judge by: whose, when, how large, and never before what they show."""

import hashlib

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.config import DeviceConfig
from edge.device_file import EvidenceConfig
from edge.evidence import (
    MOST_BYTES,
    MOST_PX,
    TOO_LARGE,
    TOO_OFTEN,
    EvidenceCropper,
    cropped,
)
from edge.frames import Image
from edge.messages import (
    MAX_BYTES,
    Detection,
    DetectionsMessage,
    EvidenceMessage,
    Sensor,
    SensorKind,
    Topic,
    UtcTime,
    decode,
    encode,
)
from edge.publisher import MOST_CROPS_WAITING, MqttPublisher

NOISE = np.random.default_rng(7).integers(0, 256, (1080, 1920, 3), dtype=np.uint8)


def seen(
    *tracks: int | None, height: float = 0.1, confidence: float = 0.8
) -> tuple[Detection, ...]:
    return tuple(
        Detection(
            track_id=track_id,
            label="person",
            confidence=confidence,
            bbox=(0.5, 0.4, 0.52, 0.4 + height),
            lat=22.5,
            lon=104.0,
            cov_m2=(1.0, 0.0, 1.0),
        )
        for track_id in tracks
    )


def frame(number: int, noon: UtcTime, *detections: Detection) -> DetectionsMessage:
    return DetectionsMessage(
        v=1,
        message_id=f"m-{number}",
        device_id="cam-07",
        sector="ha-giang",
        boot_id="b1",
        captured_at=noon.after(number / 10),
        sensor=Sensor(kind=SensorKind.CAMERA, lat=22.5, lon=104.0),
        detections=detections,
    )


class Watched:
    """A cropper, the pictures that it saw and what it sent."""

    def __init__(self, device: DeviceConfig, noon: UtcTime, **wish: object) -> None:
        self.sent: list[EvidenceMessage] = []
        wished = msgspec.convert(wish, EvidenceConfig)
        self.cropper = EvidenceCropper(replace(device, evidence=wished), self.sent.append)
        self._noon = noon
        self.number = 0

    def look(self, *detections: Detection, image: Image = NOISE) -> DetectionsMessage:
        self.number += 1
        told = self.cropper.see(image, frame(self.number, self._noon, *detections))
        assert all(one.captured_at < told.captured_at for one in self.sent), "after its message"
        self.cropper.send_all()
        return told


@pytest.fixture
def watched(device: DeviceConfig, noon: UtcTime) -> Watched:
    return Watched(device, noon)


def test_a_track_is_cropped_once_it_is_no_flicker_and_once_only(watched: Watched) -> None:
    for _ in range(2):
        assert watched.look(*seen(5)).detections[0].evidence_id is None
    named = watched.look(*seen(5)).detections[0].evidence_id
    (crop,) = watched.sent
    assert named == crop.evidence_id
    for _ in range(50):
        watched.look(*seen(5))
    assert len(watched.sent) == 1


def test_a_clearly_better_view_is_cropped_too(watched: Watched) -> None:
    for height in (0.1, 0.1, 0.1, 0.12, 0.13, 0.2, 0.21):
        watched.look(*seen(5, height=height))
    assert [one.captured_at for one in watched.sent] == [
        frame(number, watched._noon).captured_at for number in (3, 6)
    ]


def test_what_the_device_does_not_follow_is_not_cropped(watched: Watched) -> None:
    for _ in range(10):
        watched.look(*seen(None, None))
    assert watched.sent == []


def test_names_come_from_message_and_detection_and_a_repeat_gives_the_same(
    device: DeviceConfig, noon: UtcTime
) -> None:
    runs = []
    for _ in range(2):
        one = Watched(device, noon)
        for _ in range(4):
            one.look(*seen(5, 6))
        runs.append([(crop.evidence_id, crop.sha256) for crop in one.sent])
    assert runs[0] == runs[1]
    assert len({name for name, _ in runs[0]}) == 2


def test_a_crop_is_a_message_of_the_contract_and_its_digest_is_that_of_its_bytes(
    watched: Watched,
) -> None:
    for _ in range(3):
        watched.look(*seen(5))
    (crop,) = watched.sent
    topic = str(Topic("ha-giang", "cam-07", "evidence"))
    assert len(encode(crop)) < MAX_BYTES["evidence"]
    assert decode(topic, encode(crop)) == crop
    assert crop.sha256 == hashlib.sha256(crop.jpeg).hexdigest()


def test_no_more_than_so_many_a_minute_and_whoever_goes_without_is_counted(
    device: DeviceConfig, noon: UtcTime
) -> None:
    watched = Watched(device, noon, most_per_min=4)
    for _ in range(20):
        watched.look(*seen(*range(6)))
    assert len(watched.sent) == 4
    watched.cropper.close()
    assert watched.cropper.dropped == {TOO_OFTEN: 2}


def test_who_had_to_wait_is_cropped_a_minute_later(device: DeviceConfig, noon: UtcTime) -> None:
    watched = Watched(device, noon, most_per_min=1)
    for _ in range(660):
        watched.look(*seen(1, 2))
    watched.cropper.close()
    assert len(watched.sent) == 2
    assert watched.cropper.dropped == {}


@settings(max_examples=60, deadline=None)
@given(
    corners=st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4),
    margin=st.floats(0.0, 2.0),
    size=st.tuples(st.integers(16, 1080), st.integers(16, 1920)),
)
def test_whatever_the_box_a_crop_is_a_small_picture(
    corners: list[float], margin: float, size: tuple[int, int]
) -> None:
    x1, x2 = sorted(corners[:2])
    y1, y2 = sorted(corners[2:])
    image = NOISE[: size[0], : size[1]]
    jpeg = cropped(image, (x1, y1, x2, y2), margin=margin, quality=80)
    assert jpeg is not None
    assert len(jpeg) <= MOST_BYTES
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert max(shown.shape[:2]) <= MOST_PX


def test_a_crop_shows_the_box_and_its_surroundings() -> None:
    image = np.zeros((600, 800, 3), np.uint8)
    image[200:400, 300:400] = (0, 0, 255)
    jpeg = cropped(image, (300 / 800, 200 / 600, 400 / 800, 400 / 600), margin=0.25, quality=95)
    assert jpeg is not None
    shown = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape[:2] == (300, 200)  # 200 x 100, and 50 on each side
    assert shown[150, 100, 2] > 240
    assert shown[20, 100].max() < 10


def test_a_crop_says_nothing_of_place_or_camera() -> None:
    jpeg = cropped(NOISE, (0.1, 0.1, 0.2, 0.4), margin=0.3, quality=80)
    assert jpeg is not None
    assert b"Exif" not in jpeg
    assert jpeg[2:4] == b"\xff\xe0"  # JFIF, and then the tables
    assert jpeg.count(b"\xff\xe1") == 0 or b"http" not in jpeg


def test_a_crop_that_cannot_be_made_small_is_counted(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.evidence.MOST_BYTES", 100)
    for _ in range(3):
        told = watched.look(*seen(5))
    assert told.detections[0].evidence_id is None
    assert watched.cropper.dropped == {TOO_LARGE: 1}


def test_of_too_many_crops_that_wait_the_oldest_go_and_nothing_else_does(noon: UtcTime) -> None:
    publisher = MqttPublisher(  # port 1: nobody is there
        "mqtt://127.0.0.1:1",
        sector="ha-giang",
        device_id="cam-07",
        boot_id="b1",
        clock=lambda: noon,
    )
    crop = EvidenceMessage(
        v=1,
        message_id="e",
        evidence_id="e",
        device_id="cam-07",
        sector="ha-giang",
        captured_at=noon,
        sha256="0" * 64,
        jpeg=b"",
    )
    try:
        for number in range(MOST_CROPS_WAITING + 3):
            publisher.publish_evidence(replace(crop, message_id=f"e-{number}"))
            publisher.publish(frame(number, noon))
        assert publisher.crops_given_up == 3
        assert publisher.queue_depth == MOST_CROPS_WAITING + 3
        assert publisher._crops[0].message_id == "e-3"
    finally:
        publisher.close(0.0)
    assert publisher.crops_given_up == MOST_CROPS_WAITING + 3
