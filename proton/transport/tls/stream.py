"""`TLSStream`: the TLS of one transport, an I/O layer (5.2).

Bytes of the peer go into one `MemoryBIO`, what TLS has to say comes out of another. Rules for editors:
1. The name of the peer is checked before anything else of ours leaves, even the end of the handshake.
2. Whatever TLS complains of becomes a condition of the transport, with a reason; its alert still goes out.
3. The object of `ssl` is made when the first bytes move: until then the host name may be set, and a caller that never
   speaks costs nothing.
"""

from __future__ import annotations

import contextlib
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from proton.codec.text import quote
from proton.endpoints.printable import printable
from proton.lazy import ssl
from proton.transport import protocol_header
from proton.transport.io_layers import IOLayer, IOLayerError
from proton.transport.tls.certificate import Certificate, matches, read_certificate
from proton.transport.tls.domain import TLSSettings, plain_reason

if TYPE_CHECKING:
    from proton.transport.transport_state import TransportState

__all__ = ["TLSStream"]

_RECORD_BYTES = 16384  # that a TLS record carries at most (RFC 8446 5.1): what one read gives
_MAX_SESSIONS = 4  # remembered in this process, as in the C binding
#: bytes of output: far more than frames ever leave waiting. A peer can have TLS answer without end (key updates).
_MAX_OUTPUT_BYTES = 1 << 22
#: a fatal handshake_failure, in clear: what a client answers a certificate with that it does not accept
_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"

_sessions: OrderedDict[str, tuple[Any, Any]] = OrderedDict()


class TLSStream(IOLayer):
    """The TLS of one transport.

    :param state: whose it is.
    :param settings: those of the domain; None to say of a transport that it has no TLS.
    :param session_id: the name under which a client's session is remembered; None for none.
    """

    def __init__(self, state: TransportState, settings: TLSSettings | None, session_id: str | None) -> None:
        self._transport = weakref.ref(state)  # whose connection has another name, should there be no own
        self._is_server = state.is_server
        self.settings: TLSSettings = settings if settings is not None else TLSSettings(is_client=not state.is_server)
        self.session_id = session_id
        # A client looks for the session of another connection by its context.
        self._context: Any = settings.context() if settings is not None else None
        # As they are now: a change of the settings is for later streams.
        self._must_verify, self._checks_name = self.settings.verifies, self.settings.checks_name
        self.ready: bool = False
        self.hostname: str | None = None
        self.object: Any = None  # of the library, once the handshake has begun
        self._incoming = self._outgoing = None  # type: Any
        self._first = b""  # what has come while it is not sure that this is TLS
        self._recognized = False  # the peer has begun to speak TLS
        self._awaits_header = False  # a client's: the server has to answer the AMQP header for TLS
        self._awaits_client = False  # a server's: layers are above, so the first bytes come here unseen
        self._is_bypassed = False  # a server's: they were not TLS
        self.is_established: bool = False
        self._got_data = False  # the peer has said something
        self._is_remembered = False  # the session, for a later connection
        self.peer_finished: bool = False  # the peer's close_notify has come
        self._finished = False  # ours is written, or nothing will be
        self._alert = b""  # to be written in place of what the library has to say
        self.certificate: Certificate | None = None
        self.der: bytes | None = None

    def _state(self) -> TransportState:
        state = self._transport()
        assert state is not None, "it calls"
        return state

    def own_or_connection_name(self) -> str:
        """The host name that was set, before the handshake also that of the connection; "" for none."""
        if self.hostname is None and self.object is None:
            state = self._transport()
            if state is not None and state.connection is not None:
                return state.connection.hostname or ""
        return self.hostname or ""

    def await_client(self) -> None:
        """Have a server look at the client's first bytes itself: if they are not TLS, they go up as they are."""
        self._awaits_client = True

    def peer_subject(self) -> str | None:
        """The subject of the peer's certificate as RFC 2253 writes it; None if it has shown none."""
        return self.certificate.subject_text() if self.certificate is not None else None

    def secret_bits(self) -> int:
        """The bits of the cipher's key."""
        return int(self.object.cipher()[2])

    def wrap(self, data: bytes) -> bytes:
        """What goes to the peer: `data` encrypted, and what the library has to say itself."""
        if self._is_bypassed:
            return data
        if self.object is None and not self._finished and not self._is_server:
            if self._awaits_header:
                return b""
            if self.settings.starts_with_header:
                self._awaits_header = True
                return protocol_header.TLS_HEADER
            self._begin()
        if data and not self._finished:
            self._write(data)
        return self._collect()

    def _collect(self) -> bytes:
        alert, self._alert = self._alert, b""
        return alert + self._outgoing.read() if self._outgoing is not None else alert

    def _write(self, data: bytes) -> None:
        # One call may take less than all of it. A view: the rest of a large body is not copied for each record.
        written = self.object.write(data)
        while written < len(data):
            written += self.object.write(memoryview(data)[written:])

    def unwrap(self, data: bytes) -> bytes:
        """What the peer's bytes say once they are decrypted."""
        if self._is_bypassed:
            return data
        if not self._recognized:
            data = self._recognize(data)
            if not data or self._is_bypassed:
                return data
        waiting = self._state().out_size
        if waiting > _MAX_OUTPUT_BYTES:
            raise self._failed(f"expected the peer to read, {waiting} bytes wait for it")
        self._incoming.write(data)
        if not self.is_established:
            self._do_handshake()
            if not self.is_established:
                return b""
        return self._read()

    def _recognize(self, data: bytes) -> bytes:
        """The first bytes, once it is sure that they are TLS; none while it is not."""
        if self._is_server and not self._awaits_client:  # `server_header_input` has looked at them
            self._recognized = True
            self._begin()
            return data
        self._first = data = self._first + data
        found = protocol_header.identify(data)
        if found == protocol_header.INSUFFICIENT:
            return b""
        self._first = b""
        if self._is_server:
            if found == protocol_header.TLS:
                self._state().seen_protocols.add(found)
                self._recognized = True
                self._begin()
            else:
                # `_begin_serving` refuses a client that had to encrypt (2.2).
                self._is_bypassed = self.ready = True
            return data
        if found == protocol_header.AMQP_TLS and self._awaits_header:
            self._awaits_header = False
            self._begin()
            return self._recognize(data[8:]) if len(data) > 8 else b""
        if found != protocol_header.TLS or self._awaits_header:
            raise self._failed(f"expected a TLS connection, got {found} ['{quote(data[:64])}']")
        self._recognized = True
        return data

    def _begin(self) -> None:
        """Makes the object of the library, and a client's first flight."""
        connection = self._state().connection
        if self.hostname is None and connection is not None:
            self.hostname = connection.hostname or None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        is_server = self._is_server
        name = None if is_server else self.hostname
        session = None if is_server else self._remembered()
        try:
            self.object = self._context.wrap_bio(self._incoming, self._outgoing, is_server, name, session)
        except (ValueError, TypeError, ssl.SSLError):  # SNI cannot carry the name (RFC 6066 3): the certificate tells
            self.object = self._context.wrap_bio(self._incoming, self._outgoing, is_server, None, session)
        if not is_server:
            self._do_handshake()

    def _do_handshake(self) -> None:
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            if hasattr(self.object, "get_unverified_chain"):
                # The library has verified what it has; with TLS 1.2 there is time for a reason that the peer hears.
                chain = self.object.get_unverified_chain()
                if chain and self.certificate is None:
                    self._verify_peer(chain[0])
            return
        except (ssl.SSLError, OSError, ValueError) as error:
            raise self._failed(plain_reason(error)) from None
        self.is_established = True
        if self.certificate is None:
            self._verify_peer(self.object.getpeercert(True))
        self.ready = self._state().encrypted = True

    def _verify_peer(self, der: bytes | None) -> None:
        """Reads the certificate, and checks the name; the chain was verified by the library."""
        checks_name = self._checks_name
        if der is None:
            if self._must_verify:
                raise self._rejected("the peer has shown none")
            return
        try:
            certificate = read_certificate(der)
        except ValueError as error:
            if checks_name:
                raise self._rejected(f"the certificate cannot be read: {error}") from None
            return
        host = self.hostname
        if checks_name and host is None:
            raise self._rejected("a host name is needed to verify the peer's, got none")
        if checks_name and not matches(certificate, host or ""):
            names = printable(certificate.names_text(), 200)
            raise self._rejected(f"expected a certificate for {host!r}, got one for {names}")
        self.certificate, self.der = certificate, der

    def _rejected(self, reason: str) -> IOLayerError:
        """Refuses a certificate: the end of our handshake never leaves, an alert does in its place."""
        if self.is_established and self.object.version() != "TLSv1.3":
            self._send_close_notify()  # the handshake is over at the other end, too: no other word would be understood
        else:
            self._outgoing.read()
            self._alert = _ALERT
        return self._failed(f"certificate verify failed: {reason}")

    def _read(self) -> bytes:
        pieces = []
        read, incoming = self.object.read, self._incoming
        try:
            while True:
                piece = read(_RECORD_BYTES)
                if not piece:
                    self.peer_finished = True
                    break
                pieces.append(piece)
                if not incoming.pending and not self.object.pending():
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # in place of an empty read where our own end was told before
            self.peer_finished = True
        except (ssl.SSLError, OSError) as error:
            raise self._failed(plain_reason(error)) from None
        self._got_data = self._got_data or bool(pieces)
        if self.session_id is not None and not (self._is_remembered or self._finished):
            self._remember()  # at once: not every program closes in an orderly way
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _failed(self, reason: str) -> IOLayerError:
        """The error to raise. From here on an alert leaves (RFC 8446 6.2), and nothing is encrypted."""
        self._finished, self.ready = True, False
        if not self.is_established:
            self.certificate = self.der = None  # shown, but not proved to be the peer's
        return IOLayerError(f"SSL Failure: {reason}")

    def _send_close_notify(self) -> None:
        self._finished, self.ready = True, False
        # The peer has not said its own yet, which nothing waits for.
        with contextlib.suppress(ssl.SSLError, OSError):
            self.object.unwrap()

    def finish(self) -> bytes:
        """The last words: close_notify, so that the peer knows that nothing was cut off."""
        if not self._finished and self.is_established:
            self._send_close_notify()
        self._finished, self.ready = True, False
        self._remember()
        return self._collect()

    def eof_received(self) -> None:
        """The socket has ended."""
        if self._is_bypassed:
            return
        if not self.is_established and not self._finished:
            if self._first:
                raise self._failed(f"expected a TLS connection, got ['{quote(self._first)}'] (connection aborted)")
            raise self._failed("unexpected eof while reading")
        if not self._got_data and not self._finished and self._is_server:
            raise self._failed("the peer has left after the handshake, it may not accept the certificate")
        if not (self._got_data or self._finished or self.peer_finished):
            # With TLS 1.3 a server looks at the client's certificate when the client has finished (RFC 8446 2).
            shown = self.settings.credentials
            hint = "" if shown else ", the server may want a certificate and was shown none"
            raise self._failed(f"unexpected end after the handshake{hint}")
        self._remember()

    def _remembered(self) -> Any:
        """The session to resume, if it belongs to the same settings."""
        if self.session_id is None:
            return None
        context, session = _sessions.get(self.session_id, (None, None))
        return session if context is self._context else None

    def _remember(self) -> None:
        if self.session_id is None or not self.is_established or self._is_server:
            return
        session = self.object.session
        # With TLS 1.3 it can be resumed once the server's ticket has come (RFC 8446 4.6.1).
        if session is not None and (session.has_ticket or session.id):
            self._is_remembered = True
            name = self.session_id
            _sessions.pop(name, None)
            _sessions[name] = (self._context, session)
            while len(_sessions) > _MAX_SESSIONS:
                _sessions.popitem(last=False)
