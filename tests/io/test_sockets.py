"""Sockets: every address of a name, one port for all, never blocking, never waiting for more to send."""

import errno
import socket

import pytest

from proton import Url
from proton.io import sockets

LOOPBACK = sockets.Address(socket.AF_INET, ("127.0.0.1", 0))
# From a range that is kept for documentation: no machine has it.
ELSEWHERE = sockets.Address(socket.AF_INET, ("192.0.2.1", 0))


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this machine")


@pytest.fixture
def listener():
    (found,) = sockets.listen("127.0.0.1", 0)
    with found:
        yield found


def close_all(listeners):
    for listener in listeners:
        listener.close()


def resolver(monkeypatch, *addresses):
    monkeypatch.setattr(sockets, "resolve", lambda host, port, passive=False: list(addresses))


def test_resolve_gives_each_address_once():
    found = sockets.resolve("127.0.0.1", 5672)
    assert found == [sockets.Address(socket.AF_INET, ("127.0.0.1", 5672))]


def refuse(*args):
    raise socket.gaierror("the resolver was asked")


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.200.255", "192.0.2.1"])
def test_a_dotted_address_needs_no_resolver(monkeypatch, host):
    expected = socket.getaddrinfo(host, 5672, socket.AF_UNSPEC, socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert [(address.family, address.sockaddr) for address in sockets.resolve(host, 5672)] == [
        (family, sockaddr) for family, _kind, _proto, _name, sockaddr in expected
    ]


@pytest.mark.parametrize(
    "host", ["256.0.0.1", "1.2.3", "010.0.0.1", "0.0.0.0", "1.2.3.4.5", "1.2.3.4 ", "localhost", ""]
)
def test_all_else_is_asked_of_the_resolver(monkeypatch, host):
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(socket.gaierror, match="was asked"):
        sockets.resolve(host, 5672)


@pytest.mark.parametrize("port", [-1, 65536, 99999999])
def test_a_port_out_of_range_raises(port):
    with pytest.raises(OverflowError, match="a port is 0 to 65535"):
        sockets.resolve("127.0.0.1", port)


def test_a_name_that_cannot_be_resolved_raises():
    with pytest.raises(OSError):
        sockets.resolve("no-such-host.invalid", 5672)


@needs_ipv6
def test_listen_takes_both_families_on_one_free_port(monkeypatch):
    resolver(monkeypatch, sockets.Address(socket.AF_INET6, ("::1", 0, 0, 0)), LOOPBACK)
    listeners = sockets.listen("both", 0)
    try:
        assert [listener.family for listener in listeners] == [socket.AF_INET6, socket.AF_INET]
        ports = {listener.getsockname()[1] for listener in listeners}
        assert len(ports) == 1 and 0 not in ports
    finally:
        close_all(listeners)


@needs_ipv6
def test_listen_on_an_ipv6_literal():
    listeners = sockets.listen("::1", 0)
    try:
        assert [listener.getsockname()[0] for listener in listeners] == ["::1"]
    finally:
        close_all(listeners)


def test_addresses_that_this_machine_lacks_are_passed_over(monkeypatch):
    resolver(monkeypatch, ELSEWHERE, LOOPBACK)
    listeners = sockets.listen("mixed", 0)
    try:
        assert [listener.getsockname()[0] for listener in listeners] == ["127.0.0.1"]
    finally:
        close_all(listeners)


def test_listen_fails_when_no_address_is_ours(monkeypatch):
    resolver(monkeypatch, ELSEWHERE)
    with pytest.raises(OSError) as failure:
        sockets.listen("elsewhere", 0)
    assert failure.value.errno == errno.EADDRNOTAVAIL


def test_listen_on_a_name_without_addresses_fails(monkeypatch):
    resolver(monkeypatch)
    with pytest.raises(OSError):
        sockets.listen("nothing", 0)


def test_a_port_in_use_raises(listener):
    with pytest.raises(OSError) as failure:
        sockets.listen("127.0.0.1", listener.getsockname()[1])
    assert failure.value.errno == errno.EADDRINUSE


def test_a_failed_listen_leaves_no_socket_open(monkeypatch, listener):
    taken = listener.getsockname()[1]
    made = []
    real = sockets._listener
    monkeypatch.setattr(sockets, "_listener", lambda *args: made.append(real(*args)) or made[-1])
    resolver(monkeypatch, sockets.Address(socket.AF_INET, ("127.0.0.2", 0)), LOOPBACK)
    with pytest.raises(OSError):
        sockets.listen("both", taken)
    assert [sock.fileno() for sock in made] == [-1]


def test_a_free_port_is_looked_for_until_all_addresses_have_it(monkeypatch):
    real = sockets._listener
    refusals = [OSError(errno.EADDRINUSE, "in use")]

    def listener(family, sockaddr):
        if sockaddr[1] and refusals:
            raise refusals.pop()
        return real(family, sockaddr)

    monkeypatch.setattr(sockets, "_listener", listener)
    resolver(monkeypatch, LOOPBACK, sockets.Address(socket.AF_INET, ("127.0.0.2", 0)))
    listeners = sockets.listen("both", 0)
    try:
        assert not refusals and len(listeners) == 2
        assert len({listener.getsockname()[1] for listener in listeners}) == 1
    finally:
        close_all(listeners)


def test_accept_without_a_caller_gives_none(listener):
    assert sockets.accept(listener) is None


def test_both_ends_send_at_once_and_never_block(listener):
    sock, result = sockets.connect(sockets.Address(socket.AF_INET, listener.getsockname()))
    with sock:
        assert result == 0
        listener.settimeout(10)
        accepted, address = sockets.accept(listener)
        with accepted:
            assert address == sock.getsockname()
            assert sockets.connect_result(sock) == 0
            for end in (sock, accepted):
                assert end.gettimeout() == 0
                assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_refused_connect_is_reported(listener):
    address = sockets.Address(socket.AF_INET, listener.getsockname())
    listener.close()
    sock, result = sockets.connect(address)
    with sock:
        assert (result or sockets.connect_result(sock)) == errno.ECONNREFUSED


def test_a_port_out_of_range_leaves_no_socket_open():
    with pytest.raises(OverflowError):
        sockets.connect(sockets.Address(socket.AF_INET, ("127.0.0.1", 1 << 17)))


def test_a_port_of_a_url_is_a_port():
    port = Url("amqp://127.0.0.1:5672").port
    assert [address[-1] for address in sockets.resolve("127.0.0.1", port)] == [("127.0.0.1", 5672)]
