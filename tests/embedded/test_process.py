"""Ports for the servers that tests and the demo start."""

import socket

from citywatch.embedded.process import SERVER_PORTS, can_bind, free_port


def test_no_port_is_given_twice_and_none_is_ephemeral() -> None:
    given = [free_port() for _ in range(500)]
    assert len(set(given)) == len(given)
    assert set(given) <= set(SERVER_PORTS)


def test_a_port_that_a_server_holds_cannot_be_bound() -> None:
    with socket.socket() as holder:
        port = free_port()
        holder.bind(("127.0.0.1", port))
        holder.listen()
        assert not can_bind(port)
