"""Exchanges of the system's Cyrus SASL library, where there is one, and their security layers (5.1).

A client leaves to the library what `CLIENT_MECHANISMS` lacks. A server leaves everything to it, but only where the
library was set up for servers: one that merely happens to be on the machine must not change which logins
succeed. What its configuration says decides then, with what the transport asks for.
"""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING, Callable

from proton.transport.io_layers import IOLayer, IOLayerError
from proton.transport.sasl import libsasl
from proton.transport.sasl.exchange import AuthenticationFailed
from proton.transport.sasl.mechanisms import CLIENT_MECHANISMS, KERBEROS

if TYPE_CHECKING:
    from proton.transport.sasl.sasl_state import SASLState
    from proton.transport.transport_state import TransportState

__all__ = ["NO_MECHANISM", "available", "begin_client", "begin_server", "is_configured", "needs_library"]

#: where the library looks for its configuration when no folder is named
FOLDERS = ["/etc/sasl2", "/etc/sasl", "/usr/lib/sasl2", "/usr/local/lib/sasl2"]
#: what the library says when it can use nothing that is offered
NO_MECHANISM = "SASL(-4): no mechanism available: No worthy mechs found"
SASL_ERROR = "proton:io:sasl_error"

_SERVICE = b"amqp"
_NO_PLAINTEXT, _NO_ANONYMOUS = 1, 16
#: the strongest layer, and the bytes that the peer may put into a piece of it, both as in the C binding
_MAX_SSF, _BUFFER_BYTES = 2048, 32768
#: bytes that a peer may ask for in each piece: less is a way to have us work for nothing; more than RFC 2831 2.1.1 has
#: is less than nothing, miscounted
_MIN_PIECE_BYTES, _MAX_PIECE_BYTES = 64, 0xFFFFFF
_MAX_DECODED_BYTES = 1 << 20  # that are decoded in one call: what the library makes of them is copied
_NAME = re.compile(r"[A-Z0-9_-]{1,20}\Z")  # RFC 4422 3.1

_settings: dict[str, str] = {}  # what programs have set, `name` and `path`
_configured: dict[tuple[str | None, str, str], bool] = {}  # of `is_configured`, by what was set: each server asks


# -- what is set up --------------------------------------------------------------------------------------------------


def set_config_name(name: str | None) -> None:
    """Name the configuration of servers; the first name of the process stays.

    :param name: the name of a file, without the suffix `.conf`; None changes nothing.
    """
    if name:
        _settings.setdefault("name", name)


def set_config_path(path: str | None) -> None:
    """Name the folders of the configuration; the first call of the process decides.

    :param path: folders with colons between; None changes nothing.
    """
    if path:
        _settings.setdefault("path", path)


def _config_name() -> str:
    return _settings.get("name", "proton-server")


def _config_path() -> str:
    return _settings.get("path") or os.environ.get("PN_SASL_CONFIG_PATH", "")


def is_configured() -> bool:
    """Whether servers use the library: it is there, and was set up for them. Files are looked for once."""
    named = _settings.get("name"), _config_path(), os.environ.get("SASL_CONF_PATH", "")
    answer = _configured.get(named)
    if answer is None:
        folders = [*named[2].split(":"), *FOLDERS]
        found = any(folder and os.path.isfile(f"{folder}/{_config_name()}.conf") for folder in folders)
        answer = _configured[named] = bool(found or named[0] or named[1]) and available()
    return answer


def available() -> bool:
    """Whether the library is there."""
    return libsasl.find() is not None


def needs_library(name: str) -> bool:
    """Whether a mechanism is one for the library: the package does not have it, and no channel is bound to it."""
    return name not in CLIENT_MECHANISMS and not name.endswith("-PLUS") and _NAME.match(name) is not None


# -- exchanges -------------------------------------------------------------------------------------------------------


class SecurityLayer(IOLayer):
    """A security layer."""

    def __init__(self, handle: libsasl.Handle) -> None:
        self.handle = handle
        self._max_bytes = handle.number(libsasl.MAXOUTBUF)  # bytes for a piece, so that the peer can take it
        if not _MIN_PIECE_BYTES <= self._max_bytes <= _MAX_PIECE_BYTES:
            raise AuthenticationFailed(
                f"expected a peer that takes {_MIN_PIECE_BYTES} to {_MAX_PIECE_BYTES} bytes at a time through the "
                f"security layer, got {self._max_bytes}"
            )
        handle.clear_error()

    def wrap(self, data: bytes) -> bytes:
        """The protected form of bytes."""
        return self._transform(libsasl.find().sasl_encode, data, self._max_bytes)

    def unwrap(self, data: bytes) -> bytes:
        """What protected bytes say."""
        return self._transform(libsasl.find().sasl_decode, data, _MAX_DECODED_BYTES)

    def _transform(self, function: Callable[..., int], data: bytes, most: int) -> bytes:
        made = []
        for start in range(0, len(data) if self.ready else 0, most):
            piece = data[start : start + most]
            code, output = self.handle.call(function, piece, len(piece))
            if code != libsasl.OK:
                self.ready = False
                raise IOLayerError(self.handle.refusal(code).reason, SASL_ERROR)
            made.append(output or b"")
        return b"".join(made)


class _Exchange:
    """What both sides have in common."""

    name = ""

    def __init__(self, handle: libsasl.Handle, sasl: SASLState, transport: TransportState) -> None:
        self.handle = handle
        #: the layer for what follows the outcome
        self.layer: SecurityLayer | None = None
        self._done = False  # the library has nothing more to say
        flags = 0 if transport.encrypted or sasl.allow_insecure_mechs else _NO_PLAINTEXT
        flags |= _NO_ANONYMOUS if transport.require_auth else 0
        strongest = _MAX_SSF
        tls = transport.tls
        if transport.encrypted and tls is not None:  # nothing is encrypted twice
            strongest = 0
            handle.set(libsasl.SSF_EXTERNAL, struct.pack("@I", tls.secret_bits()))
        handle.set(libsasl.SEC_PROPS, struct.pack("@IIIIPP", 0, strongest, _BUFFER_BYTES, flags, 0, 0))

    def _check_step(self, code: int) -> None:
        """What a step has led to."""
        if code not in (libsasl.OK, libsasl.CONTINUE):
            refusal = self.handle.refusal(code)
            self.handle.close()
            raise refusal
        self._done = code == libsasl.OK

    def _succeed(self) -> None:
        """The exchange has ended well."""
        libsasl.wipe(self.handle.secret)
        if self.handle.number(libsasl.SSF) > 0:
            self.layer = SecurityLayer(self.handle)
        else:
            self.handle.close()


def _initial_response(name: str, response: bytes | None) -> bytes | None:
    """The initial response as the library wants it; clients mix up empty and absent ones."""
    if name == "ANONYMOUS" and response is None:
        return b""  # the trace information is left out (RFC 4505 2): a challenge would be answered by few
    if name == "CRAM-MD5" and not response:
        return None  # the server speaks first (RFC 2195 2), and the library refuses even an empty one
    return response


class _Server(_Exchange):
    #: the user and the identity to act as, once the exchange is done
    user: str | None = None
    authorization: str | None = None
    _started = False

    def mechanisms(self) -> list[str]:
        """What the library can offer, in its order."""
        with libsasl.lock:
            return self.handle.mechanisms()

    def receive(self, response: bytes | None) -> bytes | None:
        """The challenge that follows a response; None when the client is let in.

        :raises AuthenticationFailed: it is not.
        """
        library, first = libsasl.find(), not self._started
        self._started = True
        if first:
            response = _initial_response(self.name, response)
        chosen = [self.name.encode("ascii")] if first else []
        with libsasl.lock:
            step = library.sasl_server_start if first else library.sasl_server_step
            code, challenge = self.handle.call(step, *chosen, response, len(response or b""))
            self._check_step(code)
        if not self._done:
            return challenge or b""
        self.user, self.authorization = self.handle.text(libsasl.AUTHUSER), self.handle.text(libsasl.USERNAME)
        self._succeed()
        return None


def begin_server(sasl: SASLState, transport: TransportState) -> _Server:
    """A server's side, before the client has chosen: `mechanisms` is what to offer, `name` takes what was chosen.

    :raises AuthenticationFailed: the library cannot serve.
    """
    subject = transport.peer_subject()
    # Locked as a whole: a connection begins with the plugins that all of them share (rule 2 of `libsasl.py`).
    with libsasl.lock:
        libsasl.initialize("server", _config_path(), _config_name())
        new = libsasl.find().sasl_server_new
        handle = libsasl.Handle(new, [_SERVICE, None, None, None, None], {libsasl.CB_PROXY_POLICY: None})
        exchange = _Server(handle, sasl, transport)
        if subject:
            handle.set(libsasl.AUTH_EXTERNAL, subject.encode("utf-8") + b"\0")
    return exchange


class _Client(_Exchange):
    #: the initial response, None for none
    initial: bytes | None = None

    def start(self, names: list[str]) -> None:
        """Has the library choose one of the mechanisms, and begin.

        :raises AuthenticationFailed: it cannot.
        """
        with libsasl.lock:
            code, self.initial, self.name = self.handle.start(names)
            self._check_step(code)

    def respond(self, challenge: bytes) -> bytes:
        """The answer to a challenge.

        :raises AuthenticationFailed: there is none.
        """
        if self._done:
            self.handle.close()
            raise AuthenticationFailed(f"mechanism {self.name} expects an outcome, got a challenge")
        with libsasl.lock:
            code, response = self.handle.step(challenge)
            self._check_step(code)
        return response or b""

    def finish(self, additional: bytes | None) -> None:
        """The outcome was OK.

        :param additional: the additional data of the outcome; some servers have their last words in it.
        :raises AuthenticationFailed: the server has left out something that the mechanism asks for.
        """
        # None and empty differ: an empty message is a step of some mechanisms (RFC 4422 3.6).
        if additional is not None and not self._done:
            self.respond(additional)
        if not self._done:
            # A server that lets the client in too early may have skipped its own proof.
            self.handle.close()
            raise AuthenticationFailed(f"mechanism {self.name} expects a challenge, got an outcome")
        self._succeed()


def begin_client(sasl: SASLState, transport: TransportState, allowed: list[str]) -> _Client | None:
    """A client's side, with the mechanism of those offered and allowed that the library thinks best.

    :return: None when it has nothing to add to the mechanisms that need no library.
    :raises AuthenticationFailed: it has chosen a mechanism, but cannot begin with it.
    """
    # Kerberos would log in with tickets of the machine that the program may not mean. LOGIN shows the password as PLAIN
    # does, in more steps.
    unwanted = () if sasl.allowed is not None else KERBEROS
    unwanted = (*unwanted, "LOGIN") if "PLAIN" in allowed else unwanted
    names = [name for name in allowed if needs_library(name) and name not in unwanted]
    if not names or not available():
        return None
    texts: dict[int, str | None] = {libsasl.CB_USER: sasl.authorization}
    if sasl.user:
        texts[libsasl.CB_AUTHNAME] = sasl.user
    # The library takes C strings: it would not see what is behind a NUL, and log in as another user.
    if any("\0" in (text or "") for text in texts.values()):
        raise AuthenticationFailed("user name and authorization cannot have a NUL")
    connection = transport.connection
    host = (connection.hostname or "").encode("utf-8") if connection is not None else b""
    with libsasl.lock:
        libsasl.initialize("client", _config_path(), _config_name())
        new = libsasl.find().sasl_client_new
        password = sasl.password if sasl.user else None
        handle = libsasl.Handle(new, [_SERVICE, host or None, None, None], texts, password)
        exchange = _Client(handle, sasl, transport)
    try:
        exchange.start(names)
    except libsasl.NothingUsable:
        return None
    return exchange
