"""Every viewer sees every change, or is told to look again; nobody can make the server grow."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maps import stream as stream_module
from maps.layers import Feature
from maps.picture import Change
from maps.stream import Stream

Read = Callable[[bytes], list[dict[str, Any]]]


def change(name: str, value: int = 0) -> Change:
    return Change("track", name, Feature(id=name, geometry=None, properties={"value": value}))


def new_stream(**options: object) -> Stream:
    return Stream("run1", beat=lambda: {"alive": True}, **options)


async def next_events(view: AsyncIterator[bytes], read: Read) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        return read(await anext(view))


def test_a_viewer_gets_what_changes_from_now_on(read_events) -> None:
    async def scenario() -> None:
        stream = new_stream()
        stream.publish([change("before")])
        view = stream.view(None)
        assert [event["event"] for event in await next_events(view, read_events)] == ["beat"]
        stream.publish([change("a"), Change("track", "b", None)])
        events = await next_events(view, read_events)
        assert [event["id"] for event in events] == ["run1-2", "run1-3"]
        assert events[0]["data"]["properties"] == {"value": 0}
        assert events[1]["data"] == {"id": "b", "removed": True}

    asyncio.run(scenario())


def test_a_viewer_who_was_away_resumes_where_it_left(read_events) -> None:
    async def scenario() -> None:
        stream = new_stream()
        stream.publish([change(name) for name in "abcd"])
        view = stream.view("run1-2")
        await anext(view)  # the first beat
        assert [event["id"] for event in await next_events(view, read_events)] == [
            "run1-3",
            "run1-4",
        ]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "last_id", ["run1-0", "run1-99", "other-4", "run1-", "run1-²", "", "x" * 64]
)
def test_an_id_that_cannot_be_resumed_is_told_to_start_again(read_events, last_id) -> None:
    async def scenario() -> None:
        stream = new_stream(kept_events=3)
        stream.publish([change(name) for name in "abcde"])
        view = stream.view(last_id)
        await anext(view)
        (event,) = await next_events(view, read_events)
        assert (event["event"], event["id"]) == ("reset", "run1-5")

    asyncio.run(scenario())


def test_a_slow_viewer_gets_the_latest_of_each_thing_and_ids_that_grow(read_events) -> None:
    async def scenario() -> None:
        stream = new_stream()
        view = stream.view(None)
        await anext(view)
        for value in range(10_000):
            stream.publish([change("a" if value % 3 else "b", value)])
        events = await next_events(view, read_events)
        assert [(event["id"], event["data"]["id"]) for event in events] == [
            ("run1-9999", "a"),
            ("run1-10000", "b"),
        ]

    asyncio.run(scenario())


def test_a_viewer_who_reads_nothing_cannot_make_the_server_grow(read_events, monkeypatch) -> None:
    monkeypatch.setattr(stream_module, "MAX_PENDING", 100)

    async def scenario() -> None:
        stream = new_stream()
        view = stream.view(None)
        await anext(view)
        stream.publish([change(f"thing-{number}") for number in range(101)])
        (viewer,) = stream._viewers
        assert viewer._pending == {}
        events = await next_events(view, read_events)
        assert [event["event"] for event in events] == ["reset"]

    asyncio.run(scenario())


def test_a_quiet_stream_beats(read_events, monkeypatch) -> None:
    monkeypatch.setattr(stream_module, "BEAT_S", 0.01)

    async def scenario() -> None:
        view = new_stream().view(None)
        await anext(view)
        (event,) = await next_events(view, read_events)
        assert event == {"event": "beat", "data": {"alive": True}}

    asyncio.run(scenario())


def test_closing_ends_every_connection_at_once() -> None:
    async def scenario() -> None:
        stream = new_stream()
        view = stream.view(None)
        await anext(view)
        waiting = asyncio.create_task(anext(view))
        await asyncio.sleep(0)
        stream.close()
        with pytest.raises(StopAsyncIteration):
            async with asyncio.timeout(1):
                await waiting
        assert stream.viewer_count == 0

    asyncio.run(scenario())


def test_a_message_cannot_forge_an_event(read_events) -> None:
    async def scenario() -> None:
        stream = new_stream()
        view = stream.view(None)
        await anext(view)
        name = "x\n\nevent: reset\r\ndata: {}\u2028\n\n"
        stream.publish([change(name)])
        (event,) = await next_events(view, read_events)
        assert (event["event"], event["data"]["id"]) == ("track", name)

    asyncio.run(scenario())


names = st.sampled_from("abc")
steps = st.lists(st.one_of(names, st.just("snapshot"), st.just("read")), max_size=40)


@given(steps)
def test_snapshot_and_events_after_it_always_give_the_present_picture(steps: list[str]) -> None:
    """Whenever a viewer takes its snapshot and however seldom it reads, it ends up right."""

    def read(wire: bytes) -> list[tuple[str, int]]:
        import json  # noqa: PLC0415 - a fixture does not fit under @given

        data = [line[6:] for line in wire.decode().split("\n") if line.startswith("data: ")]
        parsed = [json.loads(text) for text in data]
        return [(one["id"], one["properties"]["value"]) for one in parsed if "properties" in one]

    async def scenario() -> None:
        stream, truth = new_stream(), {}
        shown: dict[str, int] = {}
        view = stream.view(None)
        await anext(view)
        for number, step in enumerate(steps):
            if step == "snapshot":
                await view.aclose()
                shown, last_id = dict(truth), stream.last_id
                view = stream.view(last_id)
            elif step == "read":
                (viewer,) = stream._viewers or {None}
                if viewer is None or viewer._pending:
                    shown.update(read(await anext(view)))
            else:
                truth[step] = number
                stream.publish([change(step, number)])
        await anext(view) if not stream._viewers else None
        while any(viewer._pending for viewer in stream._viewers):
            shown.update(read(await anext(view)))
        assert shown == truth

    asyncio.run(scenario())
