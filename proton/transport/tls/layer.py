"""`SSL` and `SSLSessionDetails`: the TLS layer of a transport (5.2).

They are the public names; what TLS does is in `stream.py`. Keep true: a transport has one `SSL` object at most, and
what cannot be used raises here, before the transport is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.exceptions import SSLException
from proton.lazy import hashlib, is_present, ssl
from proton.transport import io_layers
from proton.transport.tls.domain import SSLDomain, check_tls, settings_of
from proton.transport.tls.stream import TLSStream
from proton.transport.transport_state import TransportState, state_of

if TYPE_CHECKING:
    from proton.transport.transport import Transport

__all__ = ["SSL", "SSLSessionDetails"]

_MAX_HOST_NAME_BYTES = 1023


class SSLSessionDetails:
    """The name under which a client's TLS session is remembered in this process, to be resumed by a later connection.

    :param session_id: any text, the same for connections to the same server.
    """

    def __init__(self, session_id: str) -> None:
        self._session_id = session_id

    def get_session_id(self) -> str:
        """The name that was given."""
        return self._session_id


def _check_use(transport: TransportState, domain: SSLDomain | None) -> None:
    if domain is None and transport.started:
        return  # a look at a connection without TLS: there is nothing to see, and nothing is changed
    if not isinstance(domain, SSLDomain):
        raise SSLException(f"expected an SSLDomain, got {domain!r}")
    if settings_of(domain).is_client is transport.is_server:
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
        state = state_of(transport)
        existing = state.ssl
        if existing is None:
            return object.__new__(cls)
        if not existing._is_for(domain, session_details):
            raise SSLException("Cannot re-configure existing SSL object!")
        return existing

    def __init__(
        self, transport: Transport, domain: SSLDomain | None, session_details: SSLSessionDetails | None = None
    ) -> None:
        state = state_of(transport)
        if state.ssl is self:
            return
        check_tls()
        _check_use(state, domain)
        self._domain = domain
        self._session_details = session_details
        settings = settings_of(domain) if domain is not None else None
        session_id = session_details.get_session_id() if session_details is not None else None
        self._stream = TLSStream(state, settings, session_id)
        state.ssl = self
        if settings is None:
            return
        state.tls = self._stream
        if not state.is_server:
            io_layers.install(state, self._stream)
        elif not settings.allows_unsecured:
            state.require_encryption = True

    def _is_for(self, domain: SSLDomain | None, session_details: SSLSessionDetails | None) -> bool:
        return domain is self._domain and session_details in (None, self._session_details)

    def __repr__(self) -> str:
        return f"<SSL {self.protocol_name()} {self.cipher_name()}>"

    @staticmethod
    def present() -> bool:
        """True unless this Python was built without TLS."""
        return is_present(ssl)

    # -- what is known of the session ------------------------------------------------------------------------------

    @property
    def peer_hostname(self) -> str:
        """The name that the peer's certificate has to be valid for, also sent to servers; "" for none.

        :raises TypeError: neither str nor None.
        :raises SSLException: longer than 1023 bytes, the most that can be sent.
        """
        return self._stream.own_or_connection_name()

    @peer_hostname.setter
    def peer_hostname(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"expected a host name as a str or None, got {name!r}")
        if name is not None and len(name.encode("utf-8", "surrogatepass")) > _MAX_HOST_NAME_BYTES:
            raise SSLException(f"expected a host name of 1023 bytes at most, got {len(name)} characters")
        self._stream.hostname = name or None

    def cipher_name(self) -> str | None:
        """The name of the cipher in use, None when there is none."""
        cipher = self._stream.object.cipher() if self._stream.object is not None else None
        return cipher[0] if cipher else None

    def protocol_name(self) -> str | None:
        """The version of TLS in use, such as ``"TLSv1.3"``; None when there is none."""
        return (
            self._stream.object.version() if self._stream.object is not None and self._stream.object.cipher() else None
        )

    @property
    def alpn_protocol(self) -> str | None:
        """The application protocol that was agreed on, None for none (see `SSLDomain.set_alpn`)."""
        return self._stream.object.selected_alpn_protocol() if self._stream.object is not None else None

    def resume_status(self) -> int:
        """`RESUME_REUSED` for a session that was resumed, `RESUME_UNKNOWN` where there is no TLS, else `RESUME_NEW`."""
        if self._domain is None:
            return self.RESUME_UNKNOWN
        reused = self._stream.object is not None and self._stream.is_established and self._stream.object.session_reused
        return self.RESUME_REUSED if reused else self.RESUME_NEW

    @property
    def remote_subject(self) -> str | None:
        """The subject of the peer's certificate as RFC 2253 writes it; None when it has shown none."""
        return self._stream.peer_subject()

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
        if self._stream.certificate is None or subfield_name >= len(self._SUBFIELDS):
            return None
        return next(iter(self._stream.certificate.values(self._SUBFIELDS[subfield_name])), None)

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
        if self._stream.der is None or not 0 <= digest_name < len(self._DIGESTS):
            return None
        name, room = self._DIGESTS[digest_name]
        if fingerprint_length < room:
            return None
        return hashlib.new(name, self._stream.der, usedforsecurity=False).hexdigest()

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
