"""The channel between a Python program and its window: whole messages, from nobody else, and an end that is noticed."""

from __future__ import annotations

import os
import stat
import sys
from multiprocessing.connection import Client
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from core.protocol.python_channel import (
    ADDRESS,
    KEY,
    Channel,
    ChannelError,
    ChannelListener,
    DecodeCall,
    Hello,
    ImagesReturned,
    SelectionChanged,
    connect,
    is_given,
)


@pytest.fixture
def listener(monkeypatch):
    listener = ChannelListener()
    for name, value in listener.variables.items():
        monkeypatch.setenv(name, value)
    yield listener
    listener.close()


def accepted(listener: ChannelListener, do):
    """What the listener accepts while ``do`` connects in a thread, and what that returned."""
    results = []
    thread = Thread(target=lambda: results.append(do()))
    thread.start()
    found = listener.accept()
    thread.join()
    return found, results[0]


def pair(listener: ChannelListener) -> tuple[Channel, Channel]:
    found, other = accepted(listener, lambda: connect("engine"))
    assert found is not None
    role, channel = found
    assert role == "engine"
    return channel, other


def test_arrays_arrive_as_they_were_sent(listener):
    program, engine = pair(listener)
    z = np.arange(6, dtype=np.float32).reshape(2, 3)
    engine.send(DecodeCall(z=z))
    call = program.receive()
    assert isinstance(call, DecodeCall)
    np.testing.assert_array_equal(call.z, z)
    images = np.arange(128, dtype=np.uint8).reshape(2, 8, 8, 1)
    program.send(ImagesReturned(images=images))
    reply = engine.receive()
    assert isinstance(reply, ImagesReturned)
    np.testing.assert_array_equal(reply.images, images)
    program.send(SelectionChanged(positions=np.zeros(0, np.int64)))
    assert isinstance(engine.receive(), SelectionChanged)


def test_only_who_has_the_key_is_let_in(listener):
    def intrude():
        with pytest.raises(Exception, match=r"digest|rejected|reset|^$"):
            Client(listener.variables[ADDRESS], authkey=b"guessed")

    assert accepted(listener, intrude)[0] is None
    program, _ = pair(listener)  # it still listens
    program.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there it is a named pipe of the user's")
def test_the_socket_is_the_users_own_in_a_folder_that_no_other_can_enter(listener):
    socket = Path(listener.variables[ADDRESS])
    for path, mode in ((socket, 0o600), (socket.parent, 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode
        assert path.stat().st_uid == os.getuid()
    assert stat.S_ISSOCK(socket.stat().st_mode)
    assert len(bytes.fromhex(listener.variables[KEY])) == 32


@pytest.mark.parametrize("content", [b"", b"\x00" * 40, b"\x81\xa4type\xa5Other", b"\xc1", b"\x80"])
def test_bytes_that_are_no_message_end_the_connection_alone(listener, content):
    program, engine = pair(listener)
    engine._connection.send_bytes(content)
    with pytest.raises(ChannelError, match="what is no message"):
        program.receive()


def test_the_end_of_either_side_is_noticed(listener):
    program, engine = pair(listener)
    program.close()
    with pytest.raises(ChannelError, match="has ended"):
        engine.receive()
    with pytest.raises(ChannelError, match="has ended"):
        engine.send(Hello(role="engine"))


def test_a_listener_that_is_closed_lets_go_of_who_waits(listener):
    errors = []

    def wait():
        try:
            listener.accept()
        except ChannelError as error:
            errors.append(str(error))

    thread = Thread(target=wait)
    thread.start()
    listener.close()
    thread.join(10)
    assert errors == ["the channel is closed."]
    with pytest.raises(ChannelError, match="the Python program that opened this window has ended"):
        connect("window")


def test_a_process_of_its_own_has_no_channel(monkeypatch):
    monkeypatch.delenv(ADDRESS, raising=False)
    assert not is_given()
