"""Peers that are not what a client expects: servers on loopback whose connections a function handles, in threads."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import warnings

from proton import Connection, Event, Transport
from proton.driver import Driver

#: seconds that a peer waits for its client, so that no thread is left
SECONDS = 20.0


class WrongPeer:
    """A server on a free port of an address.

    :param behave: is called with each connected socket, in a thread; the socket is closed after it.
    :param certificate: an `Issued`, for TLS.
    :param newest: the one version of TLS that it speaks, if not all.
    """

    def __init__(self, behave, certificate=None, newest=None):
        self._behave = behave
        self._context = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.cert, certificate.key)
        if newest is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self._context.minimum_version = self._context.maximum_version = newest
            self._context.set_ciphers("ALL:@SECLEVEL=0")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.stopped = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock):
        with contextlib.suppress(OSError), sock:
            sock.settimeout(SECONDS)
            if self._context is None:
                self._behave(sock, self.stopped)
                return
            with self._context.wrap_socket(sock, server_side=True) as secured:
                self._behave(secured, self.stopped)

    def close(self):
        """Ends it, with its connections."""
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()
        for thread in self._threads:
            thread.join(SECONDS)

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.close()


def says(data):
    """Says something at once, and stays."""

    def behave(sock, stopped):
        sock.sendall(data)
        _stay(sock, stopped)

    return behave


def answers(data, question=b""):
    """Answers a question (its beginning), whatever it is if empty, and closes; is silent to others."""

    def behave(sock, stopped):
        asked = sock.recv(4096)
        if asked.startswith(question):
            sock.sendall(data)
        else:
            _stay(sock, stopped)

    return behave


def dribbles(data):
    """Says a byte, then another each time that its client waits in vain."""

    def behave(sock, stopped):
        for byte in data:
            sock.sendall(bytes([byte]))
            if stopped.wait(0.3):
                return
        _stay(sock, stopped)

    return behave


def is_silent(sock, stopped):
    """Takes all, says nothing."""
    _stay(sock, stopped)


def closes_at_once(sock, stopped):
    """Closes."""


def closes_when_asked(sock, stopped):
    """Closes when something has come."""
    sock.recv(4096)


def serves_http(sock, stopped):
    """As a web server that waits for a whole line."""
    asked = b""
    while b"\n" not in asked:
        data = sock.recv(4096)
        if not data:
            return
        asked += data
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def _stay(sock, stopped):
    sock.settimeout(0.05)
    while not stopped.is_set():
        try:
            if not sock.recv(4096):
                return
        except socket.timeout:
            continue


def serves_without_sasl(sock, stopped):
    """As an AMQP 1.0 peer that answers the SASL header with its own, which has none (2.2), and closes."""
    asked = sock.recv(8)
    sock.settimeout(0.05)
    driver = Driver(Transport(Transport.SERVER))
    connection = Connection()
    connection.container = "plain"
    connection.collect(driver.collector)
    driver.transport.bind(connection)
    if asked != b"AMQP\x00\x01\x00\x00":
        sock.sendall(b"AMQP\x00\x01\x00\x00")
        return
    driver.received(asked)
    connection.open()
    while not driver.closed and not stopped.is_set():
        for event in driver.events():
            if event.type is Event.SESSION_REMOTE_OPEN:
                event.session.open()
            if event.type is Event.CONNECTION_REMOTE_CLOSE:
                connection.close()
        data = driver.data_to_send()
        if data:
            sock.sendall(data)
            driver.sent(len(data))
            continue
        try:
            data = sock.recv(4096)
        except socket.timeout:
            continue
        if not data:
            return
        driver.received(data)
