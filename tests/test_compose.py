"""docker-compose.yml and Dockerfile hold against the program: no Docker engine is needed."""

import argparse
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.command import COMMANDS

yaml = pytest.importorskip("yaml")
pytest.importorskip("fusion.cli")
pytest.importorskip("maps.cli")

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] != "postgres:17"}
MODULES = {"fusion.health"}


def parsed(words) -> argparse.Namespace:
    """Hold the words of a `tuanbien` command against the program's own parser."""
    module = importlib.import_module(COMMANDS[words[0]][0])
    make = getattr(module, "build_parser", None) or module._parser
    return make().parse_args(words[1:])


def sources() -> str:
    folders = (ROOT / name for name in ("edge", "fusion", "maps"))
    return "".join(path.read_text("utf-8") for folder in folders for path in folder.rglob("*.py"))


def mounts(service) -> dict[str, str]:
    """Return what is mounted where, without `:ro`."""
    pairs = (volume.split(":") for volume in service.get("volumes", []))
    return {where: name for name, where, *_ in pairs}


def strings(node) -> Iterator[str]:
    if isinstance(node, dict):
        node = node.values()
    if isinstance(node, str):
        yield node
    else:
        for part in node if hasattr(node, "__iter__") else ():
            yield from strings(part)


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_that_the_program_understands(name) -> None:
    parsed(OURS[name]["command"])


@pytest.mark.parametrize("name", [name for name in OURS if name != "world"])
def test_every_health_check_is_one_that_the_program_understands(name) -> None:
    how, *words = OURS[name]["healthcheck"]["test"]
    assert how == "CMD"
    if words[0] == "tuanbien":
        parsed(words[1:])
    elif words[:2] == ["python", "-m"]:
        assert words[2] in MODULES
        importlib.import_module(words[2]).build_parser().parse_args(words[3:])
    else:
        assert words[:2] == ["python", "-c"]
        compile(words[2], "health check", "exec")


def test_every_service_but_the_one_that_ends_has_a_health_check() -> None:
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {
        "world"
    }


def test_every_wait_for_health_is_for_a_service_that_has_it() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            ends = wait["condition"] == "service_completed_successfully"
            assert ends == (name == "world")
            assert ends == (SERVICES[name].get("restart") == "no")


def test_everybody_speaks_to_the_broker_where_it_listens() -> None:
    broker = parsed(SERVICES["broker"]["command"])
    probe = parsed(SERVICES["broker"]["healthcheck"]["test"][2:])
    assert (probe.host, probe.port) == (broker.host, broker.port)
    urls = {text for text in strings(SERVICES) if text.startswith("mqtt:")}
    assert urls == {f"mqtt://{broker.host}:{broker.port}"}


def test_everybody_speaks_to_the_database_where_it_listens() -> None:
    database = SERVICES["database"]
    settings = dict(word.split("=") for word in database["command"] if "=" in word)
    host, port = settings["listen_addresses"], settings["port"]
    user, name = database["environment"]["POSTGRES_USER"], database["environment"]["POSTGRES_DB"]
    stores = {text for text in strings(SERVICES) if text.startswith("postgresql:")}
    assert stores == {f"postgresql://{user}@{host}:{port}/{name}"}
    check = database["healthcheck"]["test"]
    assert check[1:] == ["pg_isready", "-h", host, "-p", port, "-U", user, "-d", name]


def test_the_maps_health_is_asked_where_it_is_served() -> None:
    maps = parsed(SERVICES["maps"]["command"])
    pytest.importorskip("fastapi")
    from maps.api import router  # noqa: PLC0415 - a fusion-only install has none

    (url,) = re.findall(r"http://[^']+", SERVICES["maps"]["healthcheck"]["test"][-1])
    address, _, path = url.removeprefix("http://").partition("/")
    assert address == f"{maps.host}:{maps.port}"
    assert f"/{path}" in {route.path for route in router.routes}


def test_nothing_listens_beyond_loopback() -> None:
    for service in SERVICES.values():
        assert "ports" not in service
        assert service["network_mode"] == "host"
    assert parsed(SERVICES["broker"]["command"]).host == "127.0.0.1"
    assert parsed(SERVICES["maps"]["command"]).host == "127.0.0.1"
    assert "0.0.0.0" not in "".join(strings(COMPOSE))  # noqa: S104 - looked for


def test_the_health_checks_ask_for_the_sector_and_a_device_of_the_demo_world(tmp_path) -> None:
    pytest.importorskip("numpy")
    from fusion.sector import load_sector  # noqa: PLC0415 - an edge-only install has none
    from maps.demo.world import write_world  # noqa: PLC0415 - an edge-only install has none

    files = write_world(tmp_path, broker_url="mqtt://127.0.0.1:1883")
    sector = load_sector(files.sector).id
    written = Path(parsed(SERVICES["world"]["command"]).write)
    for name in ("fusion", "maps"):
        assert parsed(SERVICES[name]["command"]).sector == written / files.sector.name
    assert SERVICES["fusion"]["healthcheck"]["test"][4] == sector
    assert SERVICES["edge"]["healthcheck"]["test"][4] == sector
    assert SERVICES["edge"]["healthcheck"]["test"][5] in {path.stem for path in files.devices}


def test_every_path_lies_in_a_volume_and_every_volume_in_a_folder_that_the_image_makes() -> None:
    made = re.findall(r"/var/lib/tuanbien/\w+", DOCKERFILE)
    for service in OURS.values():
        mounted = mounts(service)
        assert set(mounted) <= set(made)
        assert set(mounted.values()) <= set(COMPOSE["volumes"])
        for word in service["command"]:
            if word.startswith("/"):
                assert any(Path(word).is_relative_to(where) for where in mounted), word
    used = {name for service in SERVICES.values() for name in mounts(service).values()}
    assert used == set(COMPOSE["volumes"])


def test_every_variable_of_ours_is_one_that_the_program_reads() -> None:
    text = sources()
    names = {name for service in OURS.values() for name in service.get("environment", {})}
    names |= set(re.findall(r"^ENV (TUANBIEN_\w+)", DOCKERFILE, re.MULTILINE))
    for name in names - {"PGPASSWORD"}:  # libpq reads that one
        assert f'"{name}"' in text, name


def test_there_is_no_default_secret() -> None:
    for text in strings(COMPOSE):
        for variable in re.findall(r"\$\{([^}]*)\}", text):
            assert re.fullmatch(r"\w+:\?.+", variable), variable
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert value.startswith("${POSTGRES_PASSWORD:?"), name
    assert "PASSWORD" not in DOCKERFILE


def test_each_image_is_built_from_a_stage_of_the_dockerfile_with_extras_that_exist() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.MULTILINE))
    assert {service["build"]["target"] for service in OURS.values()} <= stages
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extras in re.findall(r"'\.\[([\w,]+)\]'", DOCKERFILE):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert re.search(r"^ENTRYPOINT \[\"tuanbien\"\]$", DOCKERFILE, re.MULTILINE)
    assert "tuanbien" in project["scripts"]


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert copied == allowed
    for name in copied:
        assert (ROOT / name).exists(), name


def test_the_commands_run_while_building_are_the_programs() -> None:
    for module in re.findall(r"^RUN python -m (\S+)$", DOCKERFILE, re.MULTILINE):
        importlib.import_module(module)
    for words in re.findall(r"^RUN tuanbien (.*)$", DOCKERFILE, re.MULTILINE):
        pytest.importorskip("edge.cli")
        parsed(words.split())
