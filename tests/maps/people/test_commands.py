"""`tuanbien users`, and the ways in which `maps serve` may be reached."""

import io
import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from edge.command import main
from edge.messages import RefusedError
from maps.server import Listening, address


@pytest.fixture
def users(tmp_path, capsys, monkeypatch) -> Callable[..., tuple[int, list[Any], str]]:
    """Return a function that runs `tuanbien users …`: status, JSON lines, what stderr says."""
    store = f"sqlite:///{tmp_path / 'people.db'}"

    def run(*words: str, stdin: str = "") -> tuple[int, list[Any], str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        status = main(["users", "--store", store, *words])
        said = capsys.readouterr()
        return status, [json.loads(line) for line in said.out.splitlines()], said.err

    return run


def test_an_account_from_the_command_line(users) -> None:
    add = ("add", "an.nv", "--shown-name", "Nguyễn Văn An", "--role", "guard", "--sectors", "b,a")
    status, (made,), _ = users(*add)
    assert status == 0
    assert made["password"]
    assert (made["sectors"], made["must_change"], made["role"]) == (["a", "b"], True, "guard")
    assert users("role", "an.nv", "commander")[1][0]["role"] == "commander"
    assert users("unit", "an.nv", "don-1")[1][0]["unit"] == "don-1"
    assert users("unit", "an.nv")[1][0]["unit"] is None
    assert users("sectors", "an.nv", "*")[1][0]["sectors"] == ["*"]
    assert users("lock", "an.nv")[1][0]["locked"] is True
    assert users("unlock", "an.nv")[1][0]["locked"] is False
    assert users("password", "an.nv")[1][0]["password"] != made["password"]
    assert users("end-sessions", "an.nv")[1][0]["sessions_ended"] == 0
    (listed,) = users("list")[1]
    assert listed["account"] == "an.nv"
    assert not {"password", "password_hash"} & set(listed)


def test_a_password_from_stdin_is_not_printed(users) -> None:
    add = ("add", "an.nv", "--shown-name", "An", "--role", "guard", "--password-stdin")
    status, (made,), said = users(*add, stdin="một câu thật dài của tôi\n")
    assert (status, "password" in made) == (0, False)
    assert "một câu" not in said


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("password", "ai-do"), "", "there is no account 'ai-do'"),
        (("add", "Ai", "--shown-name", "x", "--role", "guard"), "", "account: 'Ai'"),
        (("password", "ai-do", "--password-stdin"), "", "no line on stdin"),
        (("password", "ai-do", "--password-stdin"), "ngắn\n", "fewer than 12"),
    ],
)
def test_what_is_wrong_is_one_sentence(users, words, stdin, said) -> None:
    status, lines, error = users(*words, stdin=stdin)
    assert (status, lines) == (1, [])
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize("words", [("add", "x", "--password", "y"), ("password", "x", "y")])
def test_no_password_is_taken_from_the_command_line(users, words) -> None:
    with pytest.raises(SystemExit) as stopped:
        users(*words)
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0"}, "passwords need --tls-cert"),  # noqa: S104 - refused
        ({"host": "192.0.2.1", "names": ("map.example",)}, "passwords need --tls-cert"),
        ({"host": "192.0.2.1", "proxy": "192.0.2.2"}, "say by which --name"),
        ({"proxy": "127.0.0.1"}, "say by which --name"),
        ({"proxy": "proxy.example", "names": ("a",)}, "is not the IP address"),
        ({"tls_cert": "c"}, "belong together"),
        ({"tls_key": "c"}, "belong together"),
        ({"tls_cert": "c", "tls_key": "k", "proxy": "127.0.0.1"}, "either this server speaks"),
        (
            {"tls_cert": "no.pem", "tls_key": "no.pem"},
            "--tls-cert no.pem --tls-key no.pem: No such",
        ),
        ({"names": ("*",)}, "--name '*'"),
        ({"names": ("map.example:8000",)}, "--name 'map.example:8000'"),
        ({"has_log_in": False, "host": "0.0.0.0"}, "loopback only"),  # noqa: S104 - refused
        ({"has_log_in": False, "proxy": "127.0.0.1", "names": ("a",)}, "this machine only"),
        ({"has_log_in": False, "tls_key": "k"}, "this machine only"),
        ({"has_log_in": False, "names": ("map.example",)}, "this machine only"),
    ],
)
def test_every_other_way_to_listen_is_refused_in_a_sentence(given, said) -> None:
    with pytest.raises(RefusedError) as refused:
        Listening(**given).check()
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("given", "is_https"),
    [
        ({}, False),
        ({"host": "::1"}, False),
        ({"has_log_in": False}, False),
        ({"proxy": "127.0.0.1", "names": ("map.example",)}, True),
        ({"host": "0.0.0.0", "proxy": "192.0.2.2", "names": ("map.example",)}, True),  # noqa: S104
    ],
)
def test_these_ways_are_open(given, is_https) -> None:
    listening = Listening(**given)
    listening.check()
    assert listening.is_https is is_https


def test_https_by_a_certificate_of_its_own(tmp_path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    try:
        subprocess.run(
            [*make, "-subj", "/CN=map.example", "-keyout", key, "-out", cert],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("no openssl on this machine")
    listening = Listening("0.0.0.0", tls_cert=cert, tls_key=key, names=("map.example",))  # noqa: S104
    listening.check()
    assert listening.is_https
    assert address(listening, 8443) == "https://0.0.0.0:8443"
    cert.write_text("no certificate")
    with pytest.raises(RefusedError, match="--tls-cert"):
        listening.check()
