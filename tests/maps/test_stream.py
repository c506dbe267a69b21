"""Every viewer sees every change, or is told to look again; nobody can make the server grow."""

import asyncio
import json
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
    return Stream("run1", beat=lambda: {"alive": True}, **({"gather_s": 0.0} | options))


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
        stream = new_stream(kept_things=3)
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


def test_nothing_grows_whatever_comes_and_whoever_reads_nothing(read_events) -> None:
    async def scenario() -> None:
        stream = new_stream(kept_things=100)
        view = stream.view(None)
        await anext(view)
        stream.publish([change(f"thing-{number}") for number in range(101)])
        assert len(stream._last) == 100
        events = await next_events(view, read_events)
        assert [event["event"] for event in events] == ["reset"]

    asyncio.run(scenario())


def test_after_minutes_away_nothing_is_missed_that_still_matters(read_events) -> None:
    """Thirty thousand updates of what moves, one alert: the alert and the last of each come."""

    async def scenario() -> None:
        stream = new_stream()
        stream.publish([change("seen")])
        left_at = stream.last_id
        stream.publish([Change("alert", "missed?", Feature("missed?", None, {}))])
        for value in range(30_000):
            stream.publish([change(f"track-{value % 50}", value)])
        view = stream.view(left_at)
        await anext(view)
        events = await next_events(view, read_events)
        assert (events[0]["event"], events[0]["data"]["id"]) == ("alert", "missed?")
        values = {event["data"]["properties"]["value"] for event in events[1:]}
        assert values == set(range(29_950, 30_000))

    asyncio.run(scenario())


def test_what_moves_is_gathered_and_what_calls_is_not(read_events) -> None:
    async def scenario() -> None:
        stream = new_stream(gather_s=3600.0)
        views = [stream.view(None), stream.view(None)]
        for view in views:
            await anext(view)
        stream.publish([change("walker")])
        reads = [asyncio.create_task(anext(view)) for view in views]
        await asyncio.sleep(0)
        assert not any(read.done() for read in reads)
        stream.publish([Change("alert", "calls", Feature("calls", None, {}))])
        one, other = await asyncio.gather(*reads)
        assert one is other  # the very same bytes: made once for both
        assert [event["data"]["id"] for event in read_events(one)] == ["walker", "calls"]
        stream.close()

    asyncio.run(scenario())


def test_many_things_come_in_several_pieces_and_in_order(read_events, monkeypatch) -> None:
    monkeypatch.setattr(stream_module, "BATCH", 10)

    async def scenario() -> None:
        stream = new_stream()
        stream.publish([change(f"thing-{number}") for number in range(25)])
        view = stream.view("run1-0")
        await anext(view)
        pieces = [await next_events(view, read_events) for _ in range(3)]
        assert [len(piece) for piece in pieces] == [10, 10, 5]
        ids = [event["data"]["id"] for piece in pieces for event in piece]
        assert ids == [f"thing-{number}" for number in range(25)]

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


async def values_until(stream: Stream, view: AsyncIterator[bytes], *, mark: int) -> dict[str, int]:
    """Read up to a mark that is put behind all that was published; return each thing's value."""
    values = {}
    stream.publish([Change("fusion", "mark", {"mark": mark})])
    while True:
        wire = (await anext(view)).decode()
        for text in (line[6:] for line in wire.split("\n") if line.startswith("data: ")):
            data = json.loads(text)
            if "properties" in data:
                values[data["id"]] = data["properties"]["value"]
            if data.get("mark") == mark:
                return values


names = st.sampled_from("abc")
steps = st.lists(st.one_of(names, st.sampled_from(["snapshot", "read", "alert"])), max_size=40)


@given(steps)
def test_snapshot_and_events_after_it_always_give_the_present_picture(steps: list[str]) -> None:
    """Whenever a viewer takes its snapshot and however seldom it reads, it ends up right."""

    async def scenario() -> None:
        stream = new_stream(gather_s=3600.0)
        truth: dict[str, int] = {}
        shown: dict[str, int] = {}
        view = stream.view(None)
        await anext(view)

        for number, step in enumerate([*steps, "read"]):
            if step == "snapshot":
                await view.aclose()
                shown, last_id = dict(truth), stream.last_id
                view = stream.view(last_id)
                await anext(view)
            elif step == "read":
                shown.update(await values_until(stream, view, mark=number))
            elif step == "alert":
                stream.publish([Change("alert", f"alert-{number}", {})])
            else:
                truth[step] = number
                stream.publish([change(step, number)])
        assert shown == truth
        stream.close()

    asyncio.run(scenario())
