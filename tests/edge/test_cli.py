"""The commands, as a technician types them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.command import main
from edge.messages import decode
from edge.publisher import BrokerAddress

WriteDevice = Callable[..., Path]
ROOT = Path(__file__).parents[2]
TUANBIEN = "import sys; from edge.command import main; sys.exit(main())"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (768, 576))
    for _ in range(5):
        writer.write(np.zeros((576, 768, 3), dtype=np.uint8))
    writer.release()
    return path


@contextmanager
def started(*words: str | Path, cache: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", TUANBIEN, "edge", *words],
        cwd=ROOT,
        env=os.environ | {"TUANBIEN_CACHE": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_line(process: subprocess.Popen[str], word: str) -> None:
    """Read its log until a line has the word in it."""
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if word in line:
            return
    pytest.fail("".join(lines))


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a command that must fail; return its one sentence."""
    assert main(["edge", *map(str, words)]) == 1
    said = capsys.readouterr()
    if words[0] == "check" and said.out:
        # What a dead camera's file comes to is worth knowing before the camera answers.
        assert json.loads(said.out)["camera"]
    else:
        assert said.out == ""
    sentences = [line for line in said.err.splitlines() if line.startswith("tuanbien edge: ")]
    assert len(sentences) == 1
    return sentences[0]


def test_locate_prints_one_object(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    """It opens neither video nor model: both are missing here."""
    assert main(["edge", "locate", str(write_device()), "383.5", "287.5"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert list(said) == [
        "lat",
        "lon",
        "alt_m",
        "cov_m2",
        "ce90_m",
        "slant_m",
        "grazing",
        "method",
    ]
    assert said["slant_m"] == pytest.approx(8.0 / np.sin(np.radians(25.0)), rel=1e-4)
    assert (said["alt_m"], said["grazing"], said["method"]) == (1000.0, False, "flat")
    assert len(said["cov_m2"]) == 3


def test_locate_above_the_horizon_says_so(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_device(("pitch_deg = -25.0", "pitch_deg = 0.0"))
    sentence = refused(capsys, "locate", path, "383.5", "10")
    assert str(path) in sentence
    assert "(383.5, 10)" in sentence
    assert "horizon" in sentence


def test_locate_outside_the_picture_says_so(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "outside the picture of 768 x 576" in refused(
        capsys, "locate", write_device(), "900", "10"
    )


@pytest.mark.usefixtures("clip")
def test_check_says_what_it_understood_and_draws_it(
    write_device: WriteDevice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing = tmp_path / "device.geojson"
    assert main(["edge", "check", str(write_device()), "--geojson", str(drawing)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["device"] == "cam-07"
    assert said["picture"] == {"width": 768, "height": 576}
    assert said["camera"]["hfov_deg"] == pytest.approx(
        2 * np.degrees(np.arctan(384 / 700)), abs=0.01
    )
    assert said["height_m"] == 8.0
    assert [sight["range_m"] for sight in said["sights"]] == [20.0, 50.0, 100.0, 200.0, 500.0]
    assert said["sights"][0]["ce90_m"] < said["sights"][1]["ce90_m"]
    drawn = json.loads(drawing.read_text())
    assert drawn["type"] == "FeatureCollection"
    kinds = [feature["properties"]["kind"] for feature in drawn["features"]]
    assert kinds[:2] == ["device", "footprint"]
    assert "error" in kinds
    assert drawn["features"][0]["geometry"] == {"type": "Point", "coordinates": [104.0, 22.5]}


def test_check_may_leave_the_video_alone(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["edge", "check", str(write_device()), "--no-video"]) == 0
    assert "picture" not in json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("clip")
def test_check_notices_pictures_of_another_shape(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_device(("height = 576", "height = 432"))
    assert "768 x 432, the pictures are 768 x 576" in refused(capsys, "check", path)


def test_check_gives_up_on_a_dead_stream(
    write_device: WriteDevice,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    free_port: Callable[[], int],
) -> None:
    monkeypatch.setattr("edge.cli._FIRST_PICTURE_S", 0.3)
    url = f"rtsp://127.0.0.1:{free_port()}/live"
    assert f"{url!r} gave no picture" in refused(
        capsys, "check", write_device(('"clip.avi"', f'"{url}"'))
    )


@pytest.mark.usefixtures("clip")
def test_an_address_of_no_broker_is_refused_before_anything_is_loaded(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    """`run` loaded the detector first, half a minute; `check` did not look at all."""
    path = write_device(
        ("mqtt://127.0.0.1:1883", "nonsense"), ('"yolov8n.pt"', '"models/mine.pt"')
    )
    for command in ("run", "check"):
        assert "broker.url: broker address 'nonsense'" in refused(capsys, command, path)


def test_a_stream_that_gives_nothing_is_named_without_its_password(
    write_device: WriteDevice,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    free_port: Callable[[], int],
) -> None:
    monkeypatch.setattr("edge.cli._FIRST_PICTURE_S", 0.3)
    address = f"127.0.0.1:{free_port()}/live"
    path = write_device(('"clip.avi"', f'"rtsp://guard:s3cret@{address}"'))
    sentence = refused(capsys, "check", path)
    assert f"rtsp://{address}" in sentence
    assert "s3cret" not in sentence


def test_a_missing_video_is_named(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_device()
    for command in ("run", "check"):
        assert f"{path.parent / 'clip.avi'}: there is no such video" in refused(
            capsys, command, path
        )


def test_an_unknown_key_is_named(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_device(("[ground]", "[ground]\naltitude = 3"))
    for command in ("run", "check", "locate"):
        more = ("1", "1") if command == "locate" else ()
        sentence = refused(capsys, command, path, *more)
        assert str(path) in sentence
        assert "altitude" in sentence


@pytest.mark.usefixtures("clip")
def test_weights_that_are_not_there_are_named(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_device(('"yolov8n.pt"', '"models/mine.pt"'))
    assert "models/mine.pt: there are no such weights" in refused(capsys, "run", path)


@pytest.mark.usefixtures("clip")
def test_a_drawing_that_cannot_be_written_is_named(
    write_device: WriteDevice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing = tmp_path / "absent" / "device.geojson"
    sentence = refused(capsys, "check", write_device(), "--no-video", "--geojson", drawing)
    assert f"{drawing}: No such file or directory" in sentence


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fly"],
        ["run"],
        ["run", "device.toml", "--frames", "0"],
        ["run", "device.toml", "--start-at", "noon"],
        ["locate", "device.toml", "left", "1"],
    ],
)
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["edge", *words])
    assert exit_.value.code == 2
    assert "usage: tuanbien edge" in capsys.readouterr().err


@pytest.mark.usefixtures("clip")
def test_a_broker_that_never_answers_is_named_and_what_it_missed_is_counted(
    write_device: WriteDevice,
    real_weights: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    free_port: Callable[[], int],
) -> None:
    monkeypatch.setattr("edge.cli.DRAIN_S", 0.5)
    port = free_port()
    path = write_device(
        ('"yolov8n.pt"', f'"{real_weights}"'), ("127.0.0.1:1883", f"guard:s3cret@127.0.0.1:{port}")
    )
    assert main(["edge", "run", str(path), "--fast"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["frames"] == 5
    missed = json.loads(said.out)["undelivered"]
    assert missed >= 7, "five frames, a status and the good-bye"
    assert f"mqtt://127.0.0.1:{port} did not take {missed} messages" in said.err
    assert "s3cret" not in said.err
    assert {"frames_skipped": 0, "frames_bad": 0, "overflowed": 0}.items() <= json.loads(
        said.out
    ).items()


def test_the_chain_from_video_to_broker_ends_cleanly_on_sigterm(
    write_device: WriteDevice,
    test_data: Path,
    real_weights: Path,
    edge_cache: Path,
    nats_broker: str,
) -> None:
    heard: dict[str, list[bytes]] = {"detections": [], "status": [], "evidence": []}
    changed = threading.Condition()

    def keep(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        with changed:
            heard[message.topic.rpartition("/")[2]].append(message.payload)
            changed.notify_all()

    listener = mqtt.Client(CallbackAPIVersion.VERSION2)
    ready = threading.Event()
    listener.on_subscribe = lambda *_: ready.set()
    listener.on_message = keep
    address = BrokerAddress.parse(nats_broker)
    listener.connect(address.host, address.port)
    listener.subscribe("tuanbien/v1/ha-giang/cam-07/#", qos=1)
    listener.loop_start()
    assert ready.wait(10.0)
    path = write_device(
        ('"clip.avi"', f'"{test_data / "video" / "vtest.avi"}"'),
        ('"yolov8n.pt"', f'"{real_weights}"'),
        ("mqtt://127.0.0.1:1883", nats_broker),
    )
    with started(
        "run", path, "--loop", "--simulated", "--clock-offset-s", "3600", cache=edge_cache
    ) as edge:
        with changed:
            assert changed.wait_for(lambda: len(heard["detections"]) >= 5, 120.0)
        began = time.monotonic()
        edge.send_signal(signal.SIGTERM)
        out, err = edge.communicate(timeout=10.0)
        assert time.monotonic() - began < 5.0
    assert edge.returncode == 0, err
    summary = json.loads(out)
    assert summary["undelivered"] == 0
    with changed:
        assert changed.wait_for(lambda: len(heard["status"]) >= 2, 10.0)
    listener.disconnect()
    listener.loop_stop()
    topic = "tuanbien/v1/ha-giang/cam-07"
    messages = [decode(f"{topic}/detections", payload) for payload in heard["detections"]]
    assert summary["frames"] == len(messages)
    assert all(message.simulated and message.detections for message in messages)
    waits = [message.sent_at.seconds_since(message.captured_at) for message in messages]
    assert all(-0.01 <= wait_s < 30.0 for wait_s in waits), "both by the shifted clock"
    statuses = [decode(f"{topic}/status", payload) for payload in heard["status"]]
    assert statuses[0].online
    assert statuses[0].version
    assert not statuses[-1].online


def test_a_dead_camera_is_waited_for_and_sigterm_still_ends_it(
    write_device: WriteDevice,
    real_weights: Path,
    edge_cache: Path,
    free_port: Callable[[], int],
) -> None:
    path = write_device(
        ('"clip.avi"', f'"rtsp://127.0.0.1:{free_port()}/live"'),
        ('"yolov8n.pt"', f'"{real_weights}"'),
        (":1883", f":{free_port()}"),
    )
    with started("run", path, cache=edge_cache) as edge:
        wait_for_line(edge, "messages wait")
        began = time.monotonic()
        edge.send_signal(signal.SIGTERM)
        out, err = edge.communicate(timeout=10.0)
        assert time.monotonic() - began < 5.0
    assert edge.returncode == 0, err
    assert json.loads(out)["frames"] == 0


def test_the_same_footage_gives_the_same_places(
    write_device: WriteDevice, test_data: Path, real_weights: Path, tmp_path: Path
) -> None:
    path = write_device(
        ('"clip.avi"', f'"{test_data / "video" / "vtest.avi"}"'),
        ('"yolov8n.pt"', f'"{real_weights}"'),
    )
    recordings = []
    for name in ("first.jsonl", "second.jsonl"):
        words = ["--fast", "--frames", "4", "--start-at", "2026-03-14T12:00:00.000Z"]
        assert main(["edge", "run", str(path), *words, "--out", str(tmp_path / name)]) == 0
        lines = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        recordings.append([(line["received_at"], line["payload"]["detections"]) for line in lines])
    assert recordings[0] == recordings[1]
    assert len(recordings[0]) == 4


def test_weights_are_named_where_they_lie(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.pt").write_bytes(b"mine")
    assert main(["edge", "weights", "mine.pt", "--to", str(tmp_path)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"name": "mine.pt", "path": str(tmp_path / "mine.pt")}


def test_a_log_of_which_most_is_left_out_says_so_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its times ran backwards, one sample of sixty was left, and nothing sounded wrong."""
    log = tmp_path / "back.csv"
    rows = [f"{60 - number},22.5,104.0,1080,0,-60,0" for number in range(60)]
    header = "media_time_s,lat,lon,alt_m,yaw_deg,pitch_deg,roll_deg"
    log.write_text("\n".join([header, *rows]), encoding="utf-8")
    assert main(["edge", "telemetry", str(log)]) == 0
    assert "WARNING: 98% of its samples are left out" in capsys.readouterr().err


def test_check_tells_whoever_sits_at_a_terminal_the_errors(
    write_device: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = str(write_device())
    assert main(["edge", "check", device, "--no-video"]) == 0
    assert "distance" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["edge", "check", device, "--no-video"]) == 0
    out, error = capsys.readouterr()
    json.loads(out)
    assert "    20 m  " in error


@pytest.mark.parametrize(
    ("content", "said"), [(None, "walk.jsonl: No such file"), ("rub,bish\n", "it is no recording")]
)
def test_a_walk_that_is_none_is_refused_once_and_plainly(
    write_device: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    said: str,
) -> None:
    walk = tmp_path / "walk.jsonl"
    if content is not None:
        walk.write_text(content, encoding="utf-8")
    assert main(["edge", "calibrate", str(write_device()), "--walk", str(walk)]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("walk.jsonl") == 1
