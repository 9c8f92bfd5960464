"""Tests that a port is free before a server is started on it."""

import socket

import pytest

from penstock.core.addresses import require_free_port
from penstock.core.errors import ConfigError


def test_a_port_that_another_program_uses_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port}.*in use.*--port"):
            require_free_port("127.0.0.1", port)
    require_free_port("127.0.0.1", port)


@pytest.mark.parametrize("port", [-1, 0, 65_536])
def test_a_port_that_does_not_exist_is_named(port):
    with pytest.raises(ConfigError, match=rf"--port {port}: must be from 1 to 65535"):
        require_free_port("127.0.0.1", port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 5000), ("::x", 5000)])
def test_an_address_that_this_machine_does_not_have_is_named(host, port):
    with pytest.raises(ConfigError, match=rf"{host}.*:{port}"):
        require_free_port(host, port)
