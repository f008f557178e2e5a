"""`SSL` and `SSLSessionDetails`: the TLS layer of a transport (5.2).

An `SSL` object is the first filter of its transport: bytes of the peer go into one `MemoryBIO`, what TLS has to say
comes out of another. Rules for editors:
1. The name of the peer is checked before anything else of ours leaves, even the end of the handshake.
2. Whatever TLS complains of becomes a condition of the transport, with a reason; its alert still goes out.
3. The object of `ssl` is made when the first bytes move: until then the host name may be set, and a caller that never
   speaks costs nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from proton.codec.text import quote
from proton.endpoints.condition import FRAMING_ERROR
from proton.endpoints.printable import printable
from proton.exceptions import SSLException, SSLUnavailable
from proton.transport import io_layers, protocol_header
from proton.transport.tls.certificate import Certificate, matches, read_certificate
from proton.transport.tls.domain import NO_TLS, SSLDomain, plain_reason, ssl

if TYPE_CHECKING:
    from proton.transport.transport import Transport
    from proton.transport.transport_state import TransportState

__all__ = ["SSL", "SSLSessionDetails"]

_RECORD = 16384  # bytes that a TLS record carries at most: what one read gives
_SESSIONS = 4  # remembered in this process, as in the C binding
_MOST_HOST_NAME = 1023  # bytes
#: bytes of output: far more than frames ever leave waiting. A peer can have TLS answer without end (key updates).
_MOST_OUTPUT = 1 << 22
#: a fatal handshake_failure, in clear: what a client answers a certificate with that it does not accept
_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"


class SSLSessionDetails:
    """The name under which a client's TLS session is remembered in this process, to be resumed by a later connection.

    :param session_id: any text, the same for connections to the same server.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id

    def get_session_id(self) -> str:
        """The name that was given."""
        return self._session_id


_sessions: OrderedDict[str, tuple[Any, Any]] = OrderedDict()


def _check_use(transport: TransportState, domain: SSLDomain | None) -> None:
    if domain is None and transport.started:
        return  # a look at a connection without TLS: there is nothing to see, and nothing is changed
    if not isinstance(domain, SSLDomain):
        raise SSLException(f"expected an SSLDomain, got {domain!r}")
    if (domain._mode == SSLDomain.MODE_SERVER) is not transport.is_server:
        sides = ("server", "client") if transport.is_server else ("client", "server")
        raise SSLException("expected the domain of a {}, got that of a {}".format(*sides))
    if transport.started:
        raise SSLException("TLS must be set up before the first bytes move")


class SSL:
    """The TLS layer of a transport (5.2). Got from `Transport.ssl`, before the first bytes move.

    :param transport: the transport to secure.
    :param domain: the `SSLDomain` with the settings.
    :param session_details: an `SSLSessionDetails`, to resume the session of an earlier connection; clients only.
    :raises SSLException: the transport has a layer of another domain; it has begun without one; the domain is invalid,
        or one of the other side.
    :raises SSLUnavailable: this Python was built without TLS.
    """

    SHA1 = 0
    SHA256 = 1
    SHA512 = 2
    MD5 = 3
    CERT_COUNTRY_NAME = 0
    CERT_STATE_OR_PROVINCE = 1
    CERT_CITY_OR_LOCALITY = 2
    CERT_ORGANIZATION_NAME = 3
    CERT_ORGANIZATION_UNIT = 4
    CERT_COMMON_NAME = 5
    RESUME_UNKNOWN = 0
    RESUME_NEW = 1
    RESUME_REUSED = 2

    _SUBFIELDS = ("C", "ST", "L", "O", "OU", "CN")
    _DIGESTS = (("sha1", 41), ("sha256", 65), ("sha512", 129), ("md5", 33))

    def __new__(
        cls, transport: Transport, domain: SSLDomain | None, session_details: SSLSessionDetails | None = None
    ) -> SSL:
        existing = transport._state.ssl
        if existing is None:
            return object.__new__(cls)
        if domain is not existing._domain or session_details not in (None, existing._session_details):
            raise SSLException("Cannot re-configure existing SSL object!")
        return existing

    def __init__(
        self, transport: Transport, domain: SSLDomain | None, session_details: SSLSessionDetails | None = None
    ) -> None:
        state = transport._state
        if state.ssl is self:
            return
        if ssl is None:
            raise SSLUnavailable(NO_TLS)
        _check_use(state, domain)
        self._domain = domain
        self._session_details = session_details
        #: where a client has to look for the session of another connection
        self._context: Any = domain._made_context() if domain is not None else None
        self._must_verify = domain is not None and domain._verify != SSLDomain.ANONYMOUS_PEER
        self._checks_name = domain is not None and domain._verify == SSLDomain.VERIFY_PEER_NAME
        self._hostname: str | None = None
        self._transport = weakref.ref(state)  # whose connection has another name, should there be no own
        self._object: Any = None  # of the library, once the handshake has begun
        self._incoming = self._outgoing = None  # type: Any
        self._first = b""  # what a client has received while it is not sure that this is TLS
        self._recognized = False  # the peer has begun to speak TLS
        self._awaits_header = False  # a client's: the server has to answer the AMQP header for TLS
        self._established = False
        self._heard = False  # the peer has said something
        self._is_remembered = False  # the session, for a later connection
        self._peer_finished = False  # the peer's close_notify has come
        self._finished = False  # ours is written, or nothing will be
        self._alert = b""  # to be written in place of what the library has to say
        self._certificate: Certificate | None = None
        self._der: bytes | None = None
        state.ssl = self
        if domain is None:
            return
        if state.is_server:
            if not domain._allows_unsecured:
                state.require_encryption = True
        else:
            io_layers.install(state, self)

    def __repr__(self) -> str:
        return f"<SSL {self.protocol_name()} {self.cipher_name()}>"

    @staticmethod
    def present() -> bool:
        """True unless this Python was built without TLS."""
        return ssl is not None

    # -- what is known of the session ------------------------------------------------------------------------------

    @property
    def peer_hostname(self) -> str:
        """The name that the peer's certificate has to be valid for, also sent to servers; "" for none.

        :raises TypeError: neither str nor None.
        :raises SSLException: longer than 1023 bytes, the most that can be sent.
        """
        if self._hostname is None and self._object is None:
            transport = self._transport()
            if transport is not None and transport.connection is not None:
                return transport.connection.hostname or ""
        return self._hostname or ""

    @peer_hostname.setter
    def peer_hostname(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"expected a host name as a str or None, got {name!r}")
        if name is not None and len(name.encode("utf-8", "surrogatepass")) > _MOST_HOST_NAME:
            raise SSLException(f"expected a host name of 1023 bytes at most, got {len(name)} characters")
        self._hostname = name or None

    def cipher_name(self) -> str | None:
        """The name of the cipher in use, None when there is none."""
        cipher = self._object.cipher() if self._object is not None else None
        return cipher[0] if cipher else None

    def protocol_name(self) -> str | None:
        """The version of TLS in use, such as ``"TLSv1.3"``; None when there is none."""
        return self._object.version() if self._object is not None and self._object.cipher() else None

    @property
    def alpn_protocol(self) -> str | None:
        """The application protocol that was agreed on, None for none (see `SSLDomain.set_alpn`)."""
        return self._object.selected_alpn_protocol() if self._object is not None else None

    def resume_status(self) -> int:
        """`RESUME_REUSED` for a session that was resumed, `RESUME_UNKNOWN` where there is no TLS, else `RESUME_NEW`."""
        if self._domain is None:
            return self.RESUME_UNKNOWN
        reused = self._object is not None and self._established and self._object.session_reused
        return self.RESUME_REUSED if reused else self.RESUME_NEW

    @property
    def remote_subject(self) -> str | None:
        """The subject of the peer's certificate as RFC 2253 writes it; None when it has shown none."""
        return self._certificate.subject_text() if self._certificate is not None else None

    def get_cert_subject(self) -> str | None:
        """The subject of the peer's certificate as RFC 2253 writes it; None when it has shown none."""
        return self.remote_subject

    def get_cert_subject_subfield(self, subfield_name: int) -> str | None:
        """A part of the subject of the peer's certificate, as text.

        :param subfield_name: one of the constants ``CERT_...``.
        :return: the first value; None without such a part, or without a certificate.
        :raises OverflowError: a negative number.
        """
        if subfield_name < 0:
            raise OverflowError(f"expected one of the constants CERT_..., got {subfield_name}")
        if self._certificate is None or subfield_name >= len(self._SUBFIELDS):
            return None
        return next(iter(self._certificate.values(self._SUBFIELDS[subfield_name])), None)

    def get_cert_common_name(self) -> str | None:
        """The common name of the subject."""
        return self.get_cert_subject_subfield(self.CERT_COMMON_NAME)

    def get_cert_organization(self) -> str | None:
        """The organization of the subject."""
        return self.get_cert_subject_subfield(self.CERT_ORGANIZATION_NAME)

    def get_cert_organization_unit(self) -> str | None:
        """The unit within the organization of the subject."""
        return self.get_cert_subject_subfield(self.CERT_ORGANIZATION_UNIT)

    def get_cert_locality_or_city(self) -> str | None:
        """The city or locality of the subject."""
        return self.get_cert_subject_subfield(self.CERT_CITY_OR_LOCALITY)

    def get_cert_country(self) -> str | None:
        """The country of the subject, two letters."""
        return self.get_cert_subject_subfield(self.CERT_COUNTRY_NAME)

    def get_cert_state_or_province(self) -> str | None:
        """The state or province of the subject."""
        return self.get_cert_subject_subfield(self.CERT_STATE_OR_PROVINCE)

    def get_cert_fingerprint(self, fingerprint_length: int, digest_name: int) -> str | None:
        """The hash of the peer's certificate, in lower-case hexadecimal digits.

        :param fingerprint_length: characters that there is room for, one more than the digits at least.
        :param digest_name: `SHA1`, `SHA256`, `SHA512` or `MD5`.
        :return: None without a certificate, for another digest, and when there is too little room.
        """
        if self._der is None or not 0 <= digest_name < len(self._DIGESTS):
            return None
        name, room = self._DIGESTS[digest_name]
        if fingerprint_length < room:
            return None
        return hashlib.new(name, self._der, usedforsecurity=False).hexdigest()

    def get_cert_fingerprint_sha1(self) -> str | None:
        """The SHA-1 hash of the peer's certificate."""
        return self.get_cert_fingerprint(41, self.SHA1)

    def get_cert_fingerprint_sha256(self) -> str | None:
        """The SHA-256 hash of the peer's certificate."""
        return self.get_cert_fingerprint(65, self.SHA256)

    def get_cert_fingerprint_sha512(self) -> str | None:
        """The SHA-512 hash of the peer's certificate."""
        return self.get_cert_fingerprint(129, self.SHA512)

    def get_cert_fingerprint_md5(self) -> str | None:
        """The MD5 hash of the peer's certificate."""
        return self.get_cert_fingerprint(33, self.MD5)

    def _get_cert_subject_unknown_subfield(self) -> str | None:
        return self.get_cert_subject_subfield(10)

    def _get_cert_fingerprint_unknown_hash_alg(self) -> str | None:
        return self.get_cert_fingerprint(41, 10)

    # -- the filter of the transport ---------------------------------------------------------------------------------

    def _ready(self) -> bool:
        return self._established

    def _wrap(self, transport: TransportState, data: bytes) -> bytes:
        """What goes to the peer: `data` encrypted, and what the library has to say itself."""
        if self._object is None and not self._finished and not transport.is_server:
            if self._awaits_header:
                return b""
            transport.started = True
            if self._domain is not None and self._domain._starts_with_header:
                self._awaits_header = True
                return protocol_header.TLS_HEADER
            self._begin(transport)
        if data and not self._finished:
            self._write(data)
        return self._collect()

    def _collect(self) -> bytes:
        alert, self._alert = self._alert, b""
        return alert + self._outgoing.read() if self._outgoing is not None else alert

    def _write(self, data: bytes) -> None:
        written = self._object.write(data)
        while written < len(data):
            written += self._object.write(memoryview(data)[written:])

    def _unwrap(self, transport: TransportState, data: bytes) -> bytes:
        """What the peer's bytes say once they are decrypted."""
        if not self._recognized:
            data = self._recognize(transport, data)
            if not data:
                return b""
        if transport.out_size > _MOST_OUTPUT:
            self._fail(transport, f"expected the peer to read, {transport.out_size} bytes wait for it")
            return b""
        self._incoming.write(data)
        if not self._established:
            self._shake_hands(transport)
            if not self._established:
                return b""
        return self._read(transport)

    def _recognize(self, transport: TransportState, data: bytes) -> bytes:
        """The first bytes, once it is sure that they are TLS; none while it is not."""
        if transport.is_server:  # that looked at them before
            self._recognized = True
            self._begin(transport)
            return data
        self._first = data = self._first + data
        found = protocol_header.identify(data)
        if found == protocol_header.INSUFFICIENT:
            return b""
        self._first = b""
        if found == protocol_header.AMQP_TLS and self._awaits_header:
            self._awaits_header = False
            self._begin(transport)
            return self._recognize(transport, data[8:]) if len(data) > 8 else b""
        if found != protocol_header.TLS or self._awaits_header:
            self._fail(transport, f"expected a TLS connection, got {found} ['{quote(data[:64])}']")
            return b""
        self._recognized = True
        return data

    def _begin(self, transport: TransportState) -> None:
        """Makes the object of the library, and a client's first flight."""
        connection = transport.connection
        if self._hostname is None and connection is not None:
            self._hostname = connection.hostname or None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        is_server = transport.is_server
        name = None if is_server else self._hostname
        session = None if is_server else self._remembered()
        try:
            self._object = self._context.wrap_bio(self._incoming, self._outgoing, is_server, name, session)
        except (
            ValueError,
            TypeError,
            ssl.SSLError,
        ):  # a name that SNI cannot carry (RFC 6066 3): the certificate will tell
            self._object = self._context.wrap_bio(self._incoming, self._outgoing, is_server, None, session)
        if not is_server:
            self._shake_hands(transport)

    def _shake_hands(self, transport: TransportState) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            if hasattr(self._object, "get_unverified_chain"):
                # The library has verified what it has; with TLS 1.2 there is time for a reason that the peer hears.
                chain = self._object.get_unverified_chain()
                if chain and self._certificate is None:
                    self._look_at_peer(transport, chain[0])
            return
        except (ssl.SSLError, OSError, ValueError) as error:
            self._fail(transport, plain_reason(error))
            return
        self._established = True
        if self._certificate is None:
            self._look_at_peer(transport, self._object.getpeercert(True))
        if not self._finished:
            transport.encrypted = True

    def _look_at_peer(self, transport: TransportState, der: bytes | None) -> None:
        """Reads the certificate, and checks the name; the chain was verified by the library."""
        checks_name = self._checks_name
        if der is None:
            if self._must_verify:
                self._reject(transport, "the peer has shown none")
            return
        try:
            certificate = read_certificate(der)
        except ValueError as error:
            if checks_name:
                self._reject(transport, f"the certificate cannot be read: {error}")
            return
        host = self._hostname
        if checks_name and host is None:
            self._reject(transport, "a host name is needed to verify the peer's, got none")
        elif checks_name and not matches(certificate, host or ""):
            names = printable(certificate.names_text(), 200)
            self._reject(transport, f"expected a certificate for {host!r}, got one for {names}")
        else:
            self._certificate, self._der = certificate, der

    def _reject(self, transport: TransportState, reason: str) -> None:
        """Refuses a certificate: the end of our handshake never leaves, an alert does in its place."""
        if self._established and self._object.version() != "TLSv1.3":
            self._say_goodbye()  # the handshake is over at the other end, too: this is all that it can still be told
        else:
            self._outgoing.read()
            self._alert = _ALERT
        self._fail(transport, f"certificate verify failed: {reason}")

    def _read(self, transport: TransportState) -> bytes:
        pieces = []
        read, incoming = self._object.read, self._incoming
        try:
            while True:
                piece = read(_RECORD)
                if not piece:
                    self._peer_finished = True
                    break
                pieces.append(piece)
                if not incoming.pending and not self._object.pending():
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:  # in place of an empty read where our own end was told before
            self._peer_finished = True
        except (ssl.SSLError, OSError) as error:
            self._fail(transport, plain_reason(error))
            return b""
        self._heard = self._heard or bool(pieces)
        if self._session_details is not None and not (self._is_remembered or self._finished):
            self._remember(transport)  # at once: not every program closes in an orderly way
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _fail(self, transport: TransportState, reason: str) -> None:
        self._finished = True
        if not self._established:
            self._certificate = self._der = None  # shown, but not proved to be the peer's
        transport.fail(FRAMING_ERROR, f"SSL Failure: {reason}", silent=True)

    def _say_goodbye(self) -> None:
        self._finished = True
        # The peer has not said its own yet, which nothing waits for.
        with contextlib.suppress(ssl.SSLError, OSError):
            self._object.unwrap()

    def _finish(self, transport: TransportState) -> bytes:
        """The last words: close_notify, so that the peer knows that nothing was cut off."""
        if not self._finished and self._established:
            self._say_goodbye()
        self._finished = True
        self._remember(transport)
        return self._collect()

    def _ended(self, transport: TransportState) -> None:
        """The socket has ended."""
        if not self._established and not self._finished:
            if self._first:
                self._fail(transport, f"expected a TLS connection, got ['{quote(self._first)}'] (connection aborted)")
            else:
                self._fail(transport, "unexpected eof while reading")
        elif not self._heard and not self._finished and transport.is_server:
            self._fail(transport, "the peer has left after the handshake, it may not accept the certificate")
        elif not (self._heard or self._finished or self._peer_finished):
            # With TLS 1.3 a server looks at the client's certificate when the client has finished (RFC 8446 2).
            shown = self._domain is not None and self._domain._credentials
            hint = "" if shown else ", the server may want a certificate and was shown none"
            self._fail(transport, f"unexpected end after the handshake{hint}")
        self._remember(transport)

    def _remembered(self) -> Any:
        """The session to resume, if it belongs to the same settings."""
        if self._session_details is None:
            return None
        context, session = _sessions.get(self._session_details.get_session_id(), (None, None))
        return session if context is self._context else None

    def _remember(self, transport: TransportState) -> None:
        if self._session_details is None or not self._established or transport.is_server:
            return
        session = self._object.session
        # With TLS 1.3 it can be resumed once the server's ticket has come (RFC 8446 4.6.1).
        if session is not None and (session.has_ticket or session.id):
            self._is_remembered = True
            name = self._session_details.get_session_id()
            _sessions.pop(name, None)
            _sessions[name] = (self._context, session)
            while len(_sessions) > _SESSIONS:
                _sessions.popitem(last=False)
