"""What people do to incidents goes to fusion, and its answer comes back.

    POST ──▶ command ──▶ broker ──▶ fusion: journal, engine, store ──▶ broker ──▶ answer

Nothing is decided here. Fusion answers when the answer is in its store; a copy of a command, under
the same `message_id`, is answered as the first one was.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from edge.messages import (
    FUSION,
    MAPS,
    CommandMessage,
    CommandReply,
    RefusedError,
    Topic,
    decode_as,
    encode,
)

ANSWER_S: Final = 5.0

Send = Callable[[str, bytes], bool]  # topic, payload; whether it is on its way


class UnansweredError(RefusedError):
    """Fusion has not answered; whether the command takes effect is open, or it cannot."""


class Steps:
    """The commands that wait for their answer. One event loop owns it."""

    def __init__(self, sector_id: str, send: Send) -> None:
        """Send with this."""
        self._topic = str(Topic(sector_id, MAPS, "commands"))
        self.replies = str(Topic(sector_id, FUSION, "replies"))
        self._send = send
        self._waiting: dict[str, asyncio.Future[CommandReply]] = {}

    async def take(self, command: CommandMessage, *, within_s: float = ANSWER_S) -> CommandReply:
        """Send a command and wait for the answer.

        Raises:
            UnansweredError: There is no way to fusion, or it did not answer in time.
        """
        waits = self._waiting.get(command.message_id)
        if waits is None:
            waits = asyncio.get_running_loop().create_future()
            self._waiting[command.message_id] = waits
        try:
            if not self._send(self._topic, encode(command)):
                msg = "the broker is not connected: nothing was done"
                raise UnansweredError(msg)
            async with asyncio.timeout(within_s):
                return await asyncio.shield(waits)
        except TimeoutError as error:
            msg = (
                f"fusion did not answer within {within_s:g} s; the step may still take effect: "
                f"send it again with the message_id {command.message_id!r}"
            )
            raise UnansweredError(msg) from error
        finally:
            self._waiting.pop(command.message_id, None)

    def hear(self, payload: bytes) -> None:
        """Hand an answer to whoever waits for it; others' are left alone.

        Raises:
            InvalidMessageError: It is none.
        """
        reply = decode_as(payload, CommandReply)
        waits = self._waiting.get(reply.deed.message_id)
        if waits is not None and not waits.done():
            waits.set_result(reply)
