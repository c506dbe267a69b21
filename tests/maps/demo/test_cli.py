import socket

import pytest

from edge.messages import RefusedError
from fusion.sector import load_sector
from maps.demo.cli import main


@pytest.mark.parametrize(
    "words",
    [
        ["--video", "clip.mp4"],
        ["--device", "cam.toml"],
        ["--check", "--edge-only"],
        ["--nonsense"],
    ],
)
def test_wrong_usage_exits_with_2(words, capsys) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(words)
    assert exit_info.value.code == 2
    assert "usage: tuanbien demo" in capsys.readouterr().err


def test_write_leaves_a_world_for_others(tmp_path, capsys) -> None:
    assert main(["--write", str(tmp_path), "--broker", "mqtt://broker:1883"]) == 0
    load_sector(tmp_path / "sector.toml")
    assert "mqtt://broker:1883" in (tmp_path / "cam-01.toml").read_text(encoding="utf-8")
    assert str(tmp_path / "sector.toml") in capsys.readouterr().out


def test_a_port_in_use_is_one_sentence(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RefusedError, match=f"port {port} on 127.0.0.1 cannot be had .*--port"):
            main(["--port", str(port), "--data", str(tmp_path)])


def test_a_missing_video_is_named(tmp_path) -> None:
    main(["--write", str(tmp_path)])
    device = tmp_path / "cam-01.toml"
    with pytest.raises(RefusedError, match=r"nowhere\.mp4: there is no such video"):
        main(["--video", str(tmp_path / "nowhere.mp4"), "--device", str(device)])
