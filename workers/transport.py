"""Kombu's Redis transport for workers, mended: whatever fails, the worker connects again.

As kombu 5.6.2 has it, an acknowledgement that fails is logged and its message keeps its place in
the prefetch window for ever. When every slot ends a task while Redis is away, the window stays
full: the worker reads nothing more, spins on the ended connection, and its loop looks healthy.
"""

import time
from contextlib import suppress
from queue import Empty
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis, virtual

from workers.health import beat

# A question is open for a second (`brpop_timeout`); the containers call a worker dead after 60.
_ANSWER_SECONDS = 30.0


class _QoS(redis.QoS):
    """Gives a message's place back even where Redis could not be reached."""

    def ack(self, delivery_tag: str) -> None:
        self._settle(delivery_tag, super().ack, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  kombu's signature
        self._settle(delivery_tag, super().reject, delivery_tag, requeue)

    def _settle(self, delivery_tag: str, settle: Any, *arguments: object) -> None:
        if self.channel.closed:
            return  # its messages were given back when the connection was lost
        try:
            settle(*arguments)
        except Exception as error:
            # Redis still lists the message and sends it again: a hint, which the job's row judges.
            virtual.QoS.ack(self, delivery_tag)
            self.channel.connection.cycle.lost = error
            raise


class _Channel(redis.Channel):
    QoS = _QoS
    _in_poll: Any = None  # the connection that waits for an answer
    asked_at = 0.0  # of `time.monotonic`

    def _brpop_start(self, timeout: float | None = None) -> None:
        self.asked_at = time.monotonic()
        super()._brpop_start(timeout)

    def require_answer(self) -> None:
        if self._in_poll and time.monotonic() - self.asked_at > _ANSWER_SECONDS:
            self._in_poll = None  # nor will it come while the channel is closed
            raise _lost("Redis does not answer")

    def close(self) -> None:
        # The open answer may hold a message; that it never comes must not end the closing.
        if self._in_poll:
            with suppress(Empty, *self.connection_errors):
                self._brpop_read()
        super().close()


class _Poller(redis.MultiChannelPoller):
    """Takes every sign that the connection is of no use for its loss."""

    lost: Exception | None = None

    def on_poll_start(self) -> None:
        error, self.lost = self.lost, None
        if error is not None:
            raise _lost("an acknowledgement failed") from error
        for channel in self._channels:
            channel.require_answer()
        super().on_poll_start()

    def on_readable(self, fileno: int) -> None:
        channel, _ = self._fd_to_chan.get(fileno, (None, ""))
        if channel is None:
            raise _lost("an event of a connection that is closed")
        if not channel.qos.can_consume():
            raise _lost("the connection ended while all slots were busy")
        super().on_readable(fileno)

    def _register_BRPOP(self, channel: Any) -> None:  # noqa: N802  kombu's name
        super()._register_BRPOP(channel)
        watched = self._chan_to_sock.get((channel, channel.client, "BRPOP"))
        if watched is not channel.client.connection._sock:  # noqa: SLF001
            # The client has connected anew by itself: the answer comes on the old connection.
            raise _lost("the client has changed its connection")


class Transport(redis.Transport):
    """Kombu's, with the parts above; it beats while it tries to reach Redis."""

    Channel = _Channel
    # Full, read-only or loading, Redis refuses; a worker that ended for it would lose its calls.
    connection_errors = redis.Transport.connection_errors + redis.Transport.channel_errors

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.cycle = _Poller()
        self._loop: Any = None

    def establish_connection(self) -> Any:
        beat()  # the loop stands still meanwhile: a worker that waits for Redis is alive
        return super().establish_connection()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        self._loop = loop
        super().register_with_event_loop(connection, loop)

    def close_connection(self, connection: Any) -> None:
        self._forget_readers()
        super().close_connection(connection)

    def _forget_readers(self) -> None:
        """Leave nothing of ours in the loop: a number of a socket is soon another's."""
        if self._loop is None:
            return
        for number, reader in list(self._loop.readers.items()):
            if reader and reader[0] == self.on_readable:
                self._loop.remove_reader(number)


def use_transport() -> None:
    """Let every Redis address of this process be read by this transport."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"


def _lost(reason: str) -> ConnectionError:
    return ConnectionError(f"the connection to Redis is lost: {reason}")
