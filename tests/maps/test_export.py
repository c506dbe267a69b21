"""An export holds what is known, opens anywhere, and tells of every byte that is not as it was."""

import ast
import hashlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from msgspec.structs import replace

from edge.command import main
from edge.messages import (
    CommandReply,
    Deed,
    EvidenceMessage,
    Incident,
    TrackState,
    TrackUpdate,
    UtcTime,
    Verb,
    decode_as,
    encode,
)
from fusion.events import AlertIssued, CommandAnswered, IncidentChanged, TracksUpdated
from fusion.evidence import EvidenceFolder, evidence_id_of
from fusion.evidence_index import Crop
from fusion.store import Store
from maps import assets
from maps.export import verify
from maps.export.bundle import Made, file_name, write_bundle
from maps.export.matter import Matter, gather
from maps.export.telling import log_text, plain, told
from maps.language import LANGUAGES, words
from maps.people.roles import Person, Role

LAN = Person("a-1", "Hạ sĩ Lan", Role.DUTY_OFFICER)
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "../../../etc/passwd",
    "C:\\con.txt",
    "{{ 7 * 7 }}",
    "line one\nline two\r\x1b[2J",
    "\u202egnp.exe\u2066",
    "a\x00b",
    "đ" * 1000,
)
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc0\x00\x0b\x08\x00\x28\x00\x3c\x01\x01\x11\x00"
    b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9"
)


@pytest.fixture
def folder(tmp_path) -> EvidenceFolder:
    return EvidenceFolder(tmp_path / "evidence", "bien-thu")


@pytest.fixture
def store(tmp_path) -> Store:
    opened = Store.open(f"sqlite:///{tmp_path / 'tuanbien.db'}", migrate=True)
    yield opened
    opened.close()


@pytest.fixture
def incident(store, folder, say, noon) -> Incident:
    """An incident with an alert, steps, a track's way and a crop."""
    message = EvidenceMessage(
        v=1,
        message_id="e",
        evidence_id="e",
        device_id="cam-01",
        sector="bien-thu",
        captured_at=noon,
        sha256=hashlib.sha256(JPEG).hexdigest(),
        jpeg=JPEG,
    )
    folder.take(message)
    crop = Crop(evidence_id_of(message), "cam-01", noon, message.sha256, len(JPEG))
    lines = tuple(
        TrackUpdate(
            track_id="track-1",
            t=noon.after(float(second)),
            lat=1.2 + second * 1e-5,
            lon=-12.302,
            cov_m2=(4.0, 1.0, 9.0),
            velocity_mps=(0.5, -1.25),
            label="person",
            state=TrackState.CONFIRMED,
            devices=("cam-01",),
            evidence_ids=(crop.evidence_id,) if second == 0 else (),
        )
        for second in range(90)
    )
    alert = say.alert("alert-1")
    made = say.incident(alert)
    deed = {
        "message_id": "m1",
        "incident_id": made.incident_id,
        "sector": "bien-thu",
        "received_at": noon.after(60.0),
        "at": noon.after(60.0),
        "verb": Verb.NOTE,
        "actor": "Hạ sĩ Lan",
        "role": "duty_officer",
        "result": "applied",
        "expected_version": 0,
        "version": 1,
        "reason": "Thấy ba người, một người đeo ba lô.",
    }
    answered = CommandAnswered(CommandReply(deed=decode_as(encode(deed), Deed)))
    events = [TracksUpdated(lines), AlertIssued(alert), IncidentChanged(made), answered]
    store.save(events, sector="bien-thu", crops=[crop], heard=[])
    return made


@pytest.fixture
def matter(store, folder, incident, sector) -> Matter:
    return gather(store, folder, incident, sector, LAN)


@pytest.fixture
def bundle(matter, tmp_path, noon) -> Path:
    assets.bring()
    path = tmp_path / "export.zip"
    write_bundle(path, matter, Made(LAN, noon), language="vi")
    return path


@pytest.fixture
def unpacked(bundle, tmp_path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "stick")
    (folder,) = (tmp_path / "stick").iterdir()
    return folder


def run_verifier(where: Path, *arguments: str) -> tuple[int, str]:
    """Run the script that lies in a bundle as whoever received it would."""
    done = subprocess.run(
        [sys.executable, "-I", str(where), *arguments],
        capture_output=True,
        check=False,
        timeout=60,
        encoding="utf-8",
        env={"PYTHONIOENCODING": "utf-8"},
    )
    return done.returncode, done.stdout + done.stderr


def wrong(path: Path) -> dict[str, str]:
    files = verify.Folder(path) if path.is_dir() else verify.Archive(path)
    return {name: how for name, how in verify.check(files).items() if how != "same"}


# -- what is in it -----------------------------------------------------------------------------


def test_a_bundle_holds_all_that_is_known_of_an_incident(unpacked, incident, matter) -> None:
    names = {one.relative_to(unpacked).as_posix() for one in unpacked.rglob("*") if one.is_file()}
    (crop, _) = matter.crops[0]
    assert names == {
        *("incident.html", "incident.json", "alerts.jsonl", "deeds.jsonl", "tracks.geojson"),
        *("log.txt", "manifest.json", "manifest.sha256", "verify.py"),
        f"evidence/{crop.evidence_id}.jpg",
    }
    known = json.loads((unpacked / "incident.json").read_text())
    assert known["incident"]["incident_id"] == incident.incident_id
    assert (unpacked / f"evidence/{crop.evidence_id}.jpg").read_bytes() == JPEG
    tracks = json.loads((unpacked / "tracks.geojson").read_text())
    last, way = tracks["features"]
    assert last["geometry"]["type"] == "Point"
    assert len(way["geometry"]["coordinates"]) == len(way["properties"]["t"]) == 90
    assert way["geometry"]["coordinates"][0] == pytest.approx([-12.302, 1.2])
    manifest = json.loads((unpacked / "manifest.json").read_text())
    assert manifest["made_by"] == {
        "name": "Hạ sĩ Lan",
        "account": "a-1",
        "role": "duty_officer",
    }
    assert manifest["made_at"] == "2026-03-14T12:00:00.000Z"
    assert manifest["simulated"] is False
    assert "no verdict" in manifest["what_it_is"]["en"]
    log = (unpacked / "log.txt").read_text()
    assert "Thấy ba người, một người đeo ba lô." in log
    for language in LANGUAGES:
        assert words(language)["export.lead"] in log


def test_an_exercise_says_so_everywhere(matter, tmp_path, noon) -> None:
    assets.bring()
    simulated = matter._replace(incident=replace(matter.incident, simulated=True))
    write_bundle(tmp_path / "a.zip", simulated, Made(LAN, noon), language="en")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        read = {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()
                if not name.endswith(".jpg")}  # fmt: skip
    assert json.loads(read["manifest.json"])["simulated"] is True
    for name in ("incident.html", "log.txt"):
        assert words("vi")["badge.simulated"] in read[name]


def test_the_same_state_gives_the_same_bytes_but_for_when_and_by_whom(
    store, folder, incident, sector, bundle, tmp_path, noon
) -> None:
    again = gather(store, folder, incident, sector, LAN)
    write_bundle(tmp_path / "same.zip", again, Made(LAN, noon), language="vi")
    assert (tmp_path / "same.zip").read_bytes() == bundle.read_bytes()
    write_bundle(tmp_path / "later.zip", again, Made(LAN, noon.after(9.0)), language="vi")
    differ = {"incident.html", "manifest.json", "manifest.sha256"}
    with zipfile.ZipFile(bundle) as one, zipfile.ZipFile(tmp_path / "later.zip") as other:
        assert {
            name.partition("/")[2] for name in one.namelist() if one.read(name) != other.read(name)
        } == differ


def test_a_crop_that_is_gone_or_was_changed_is_named_and_left_out(
    store, folder, incident, sector, matter
) -> None:
    (crop, _) = matter.crops[0]
    folder.path_of(crop.sha256).write_bytes(b"another")
    again = gather(store, folder, incident, sector, LAN)
    assert (list(again.crops), list(again.crops_missing)) == ([], [crop.evidence_id])
    assert "1 " in " ".join(told(again, "vi").notes)


def test_without_history_the_last_positions_are_told(store, folder, say, sector) -> None:
    alert = say.alert("alert-2", track_ids=["track-9"])
    made = say.incident(alert)
    line = say.track("track-9")[1]
    events = [
        TracksUpdated((decode_as(line, TrackUpdate),)),
        AlertIssued(alert),
        IncidentChanged(made),
    ]
    store.save(events, sector="bien-thu")
    found = gather(store, folder, made, sector, LAN)
    assert [len(way) for way in found.ways.values()] == [1]
    assert words("en")["export.no_ways"] in told(found, "en").notes


# -- whether it is as it was -------------------------------------------------------------------


def test_the_verifier_says_file_by_file_that_all_is_as_it_was(unpacked, bundle) -> None:
    for arguments in ([], [str(unpacked)], [str(bundle)]):
        code, said = run_verifier(unpacked / "verify.py", *arguments)
        assert code == 0, said
        assert said.count("nguyên vẹn / as it was") == 10
        digest = hashlib.sha256((unpacked / "manifest.json").read_bytes()).hexdigest()
        assert digest in said


def test_any_flipped_byte_of_any_file_is_found(unpacked) -> None:
    for file in sorted(one for one in unpacked.rglob("*") if one.is_file()):
        content, name = file.read_bytes(), file.relative_to(unpacked).as_posix()
        for at in {0, len(content) // 3, len(content) // 2, len(content) - 1}:
            for bit in (0x01, 0x80):
                file.write_bytes(content[:at] + bytes((content[at] ^ bit,)) + content[at + 1 :])
                assert name in wrong(unpacked), f"{name} at {at}"
        file.write_bytes(content)
    assert wrong(unpacked) == {}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=some.data())
def test_whatever_one_byte_becomes_it_is_found(unpacked, data) -> None:
    files = sorted(one for one in unpacked.rglob("*") if one.is_file())
    file = data.draw(some.sampled_from(files))
    content = file.read_bytes()
    at = data.draw(some.integers(0, len(content) - 1))
    other = data.draw(some.integers(0, 255).filter(lambda byte: byte != content[at]))
    file.write_bytes(content[:at] + bytes((other,)) + content[at + 1 :])
    found = wrong(unpacked)
    file.write_bytes(content)
    assert file.relative_to(unpacked).as_posix() in found


def test_removed_added_renamed_and_cut_files_are_found(unpacked) -> None:
    log = unpacked / "log.txt"
    content = log.read_bytes()
    log.unlink()
    assert wrong(unpacked) == {"log.txt": "missing"}
    (unpacked / "LOG.TXT").write_bytes(content)
    assert wrong(unpacked) == {"log.txt": "missing", "LOG.TXT": "added"}
    (unpacked / "LOG.TXT").unlink()
    log.write_bytes(content[:-1])
    assert wrong(unpacked) == {"log.txt": "changed"}
    log.write_bytes(content)
    (unpacked / "evidence" / "more").mkdir()
    (unpacked / "evidence" / "more" / "x.jpg").write_bytes(JPEG)
    assert wrong(unpacked) == {"evidence/more/x.jpg": "added"}
    shutil.rmtree(unpacked / "evidence" / "more")
    elsewhere = unpacked.parent / "log.txt"
    log.rename(elsewhere)
    log.symlink_to(elsewhere)
    assert wrong(unpacked) == {"log.txt": "changed"}
    log.unlink()
    elsewhere.rename(log)
    for name in ("manifest.json", "manifest.sha256"):
        (unpacked / name).rename(unpacked.parent / name)
        assert wrong(unpacked)[name] == "missing"
        code, _ = run_verifier(unpacked / "verify.py")
        assert code == 1
        (unpacked.parent / name).rename(unpacked / name)
    assert wrong(unpacked) == {}


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"{}", b'{"files": 1}', b'{"files": [{}]}', b"[" * 100_000, b"\xff"]
)
def test_whatever_the_manifest_is_the_verifier_says_so(unpacked, manifest) -> None:
    (unpacked / "manifest.json").write_bytes(manifest)
    digest = hashlib.sha256(manifest).hexdigest()
    (unpacked / "manifest.sha256").write_text(f"{digest}  manifest.json\n")
    code, said = run_verifier(unpacked / "verify.py")
    assert code == 1, said
    assert "Traceback" not in said


def test_the_zip_itself_is_checked_too(bundle, tmp_path) -> None:
    content = bundle.read_bytes()
    with zipfile.ZipFile(bundle) as archive:
        at = archive.getinfo(archive.namelist()[0]).header_offset + 200
    (tmp_path / "b.zip").write_bytes(content[:at] + bytes((content[at] ^ 4,)) + content[at + 1 :])
    assert wrong(tmp_path / "b.zip") == {"incident.html": "changed"}
    shutil.copyfile(bundle, tmp_path / "c.zip")
    with zipfile.ZipFile(tmp_path / "c.zip", "a") as archive:
        archive.writestr("beside.txt", "x")
        head = archive.namelist()[0].partition("/")[0]
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(f"{head}/log.txt", "another log")
    assert wrong(tmp_path / "c.zip") == {"/beside.txt": "added", "log.txt": "added"}
    (tmp_path / "d.zip").write_bytes(content[:1000])
    code, said = run_verifier(Path(verify.__file__), str(tmp_path / "d.zip"))
    assert (code, "Traceback" in said) == (2, False)


def test_the_verifier_needs_nothing_but_an_old_python(unpacked) -> None:
    text = (unpacked / "verify.py").read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 8))
    modules = {
        name
        for node in ast.walk(tree)
        for name in (
            [one.name for one in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules <= {"__future__", *sys.stdlib_module_names}


# -- names that mean harm ------------------------------------------------------------------------


def hostile(matter: Matter, name: str) -> Matter:
    """Put a name wherever somebody outside can put one."""
    (alert,) = matter.alerts
    (deed,) = matter.deeds
    (crop, jpeg) = matter.crops[0]
    place = replace(alert.place, trail_id=name, trail_name=name, marker=name, text=name)
    reason = replace(alert.reasons[0], code=name, text=name)
    changed = {"devices": (name,), "unit": name, "place": place, "track_ids": (name,)}
    way = [
        replace(one, track_id=name, label=name, devices=(name,)) for one in matter.ways["track-1"]
    ]
    return matter._replace(
        incident=replace(matter.incident, incident_id=name, assigned_to=name, **changed),
        alerts=[replace(alert, alert_id=name, reasons=(reason,), **changed)],
        deeds=[replace(deed, actor=name, role=name, reason=name, assigned_to=name)],
        related=[{"relation": "follows", "incident_id": name}],
        ways={name: way},
        crops=[(crop._replace(evidence_id=name, device_id=name), jpeg)],
        crops_missing=[name],
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_text_in_every_file_and_out_of_every_path(
    matter, tmp_path, noon, name
) -> None:
    assets.bring()
    by = LAN._replace(name=name)
    path = tmp_path / "bad.zip"
    write_bundle(path, hostile(matter, name), Made(by, noon), language="vi")
    assert wrong(path) == {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            assert len(entry) < 200
            assert ".." not in entry
            assert all(one.isalnum() or one in "-_./" for one in entry), entry
        read = {one.partition("/")[2]: archive.read(one) for one in archive.namelist()}
    page = read["incident.html"].decode()
    assert page.count("<script") == 3
    assert "<img src=x" not in page
    if name == "{{ 7 * 7 }}":
        assert name in page
    log = read["log.txt"].decode()
    assert not any(one in log for one in "\x00\x1b\r\u202e\u2066")
    assert "\nline two" not in log


@given(some.text(max_size=80))
def test_a_name_is_one_line_that_shows_all_of_it_and_a_file_name_is_one_anywhere(name) -> None:
    line = plain(name)
    assert len(line.splitlines()) <= 1
    assert len(line) == len(name)
    assert 0 < len(file_name(name)) <= 64
    assert file_name(name).replace("_", "").replace("-", "").isascii()


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_incident_is_told_whole_in_each_language(matter, language) -> None:
    one = told(matter, language)
    assert one.speaks_for
    assert len(one.entries) == 2
    assert "{" not in log_text((one,), matter)


# -- as a command --------------------------------------------------------------------------------


def test_the_command_writes_a_bundle_and_never_over_another(
    incident, sector_file, tmp_path, capsys, caplog
) -> None:
    assets.bring()
    out = tmp_path / "out.zip"
    arguments = [
        *("maps", "export", incident.incident_id, "--sector", str(sector_file)),
        *("--store", f"sqlite:///{tmp_path / 'tuanbien.db'}"),
        *("--evidence", str(tmp_path / "evidence"), "--out", str(out), "--by", "Trung tá Hà"),
    ]
    with caplog.at_level("INFO", logger="maps.export"):
        assert main(arguments) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["manifest_sha256"] in caplog.text
    assert "Trung tá Hà" in caplog.text
    assert wrong(out) == {}
    assert main(arguments) == 1
    assert "is there already" in capsys.readouterr().err
    assert main([*arguments[:2], "incident-of-nobody", *arguments[3:-4], "--out", "x.zip"]) == 1
    assert "there is no incident 'incident-of-nobody'" in capsys.readouterr().err


# -- over HTTP -----------------------------------------------------------------------------------


@pytest.fixture
def ask(sector, feed, store, tmp_path) -> Callable:
    import asyncio  # noqa: PLC0415

    import httpx  # noqa: PLC0415

    from maps.app import create_app  # noqa: PLC0415
    from maps.people.door import person_of  # noqa: PLC0415

    assets.bring()
    feed._open_store = lambda: store
    app = create_app(sector=sector, feed=feed, evidence=tmp_path / "evidence")

    def once(path: str, person: Person = LAN) -> httpx.Response:
        app.dependency_overrides[person_of] = lambda: person

        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.get(path)

        return asyncio.run(request())

    return once


def test_who_may_export_gets_the_bundle_and_it_is_written_down(ask, incident, caplog) -> None:
    with caplog.at_level("INFO", logger="maps.export"):
        answer = ask(f"/api/v1/incidents/{incident.incident_id}/export?lang=en")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    assert f"tuanbien-{incident.incident_id}.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        manifest = archive.read(f"tuanbien-{incident.incident_id}/manifest.json")
    assert hashlib.sha256(manifest).hexdigest() in caplog.text
    assert "Hạ sĩ Lan" in caplog.text
    assert UtcTime.parse(json.loads(manifest)["made_at"])


@pytest.mark.parametrize("role", [Role.GUARD, Role.PARTNER, Role.ADMINISTRATOR])
def test_who_may_not_export_gets_nothing(ask, incident, role) -> None:
    person = Person("x", "x", role, "cong-an-tinh")
    assert ask(f"/api/v1/incidents/{incident.incident_id}/export", person).status_code == 403
    assert ask("/api/v1/incidents/incident-of-nobody/export").status_code == 404
