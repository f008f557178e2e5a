"""`SSLDomain`: TLS settings, and the context of the standard library's `ssl` that comes of them (5.2).

The settings are tried when they are made, but the context is made when a transport needs it: loading the system's
trust store costs more than everything else here. A change gives a new context, so `SSL` objects that exist keep theirs.
The first domain imports `ssl`, which a Python may lack: without it every use raises `SSLUnavailable`.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from proton.exceptions import SSLException, SSLUnavailable
from proton.lazy import is_present, ssl

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["SSLDomain", "TLSSettings", "check_tls", "plain_reason", "settings_of"]

NO_TLS = "SSL libraries not found: this Python was built without the module ssl"
#: a leaf or intermediate certificate in the trust store may be an anchor; `ssl` names the flag from Python 3.10 on
_PARTIAL_CHAIN = 0x80000
_NO_RENEGOTIATION = 1 << 30  # the library's number, which PyPy does not name
_AUTHENTICATED = "ALL:!aNULL:!eNULL:@STRENGTH"
_ANONYMOUS = "ALL:aNULL:!eNULL:@STRENGTH:@SECLEVEL=0"
#: the group of anonymous key exchanges, ffdhe2048 of RFC 7919
_DH_PARAMETERS = os.path.join(os.path.dirname(__file__), "ffdhe2048.pem")
_ANONYMOUS_PEER, _VERIFY_PEER_NAME = 2, 3
_PROTOCOLS = {"TLSv1": "TLSv1", "TLSv1.1": "TLSv1_1", "TLSv1.2": "TLSv1_2", "TLSv1.3": "TLSv1_3"}


def check_tls() -> None:
    """Raise unless this Python has TLS.

    :raises SSLUnavailable: it was built without.
    """
    if not is_present(ssl):
        raise SSLUnavailable(NO_TLS)


def plain_reason(error: Any) -> str:
    """What the library says of an error, without the names of its sources."""
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    text = re.sub(r"^\[[^\]]*\] ", "", text)
    return re.sub(r" \(_ssl\.c:\d+\)$", "", text)


def _load_credentials(context: SSLContext, credentials: tuple[str, str | None, str | None]) -> None:
    cert_file, key_file, password = credentials
    # A callable, because without one the library would ask on the terminal.
    context.load_cert_chain(cert_file, key_file, lambda: password or "")


def _load_trusted(context: SSLContext, path: str) -> None:
    if os.path.isdir(path):
        context.load_verify_locations(capath=path)
    else:
        _load_trusted_file(context, path)


def _load_trusted_file(context: SSLContext, path: str) -> None:
    context.load_verify_locations(cafile=path)


class TLSSettings:
    """What an `SSLDomain` was told, and the contexts that come of it.

    :param is_client: True for the settings of a client.
    """

    def __init__(self, is_client: bool) -> None:
        self.is_client = is_client
        #: one of the modes of `SSLDomain`
        self.verify = _VERIFY_PEER_NAME if is_client else _ANONYMOUS_PEER
        self.credentials: tuple[str, str | None, str | None] | None = None
        self.trusted: list[str] = []
        self.advertised: str | None = None  # a server's list of authorities, trusted when no other is
        self.ciphers: str | None = None
        self.versions: tuple[str, str] | None = None  # the oldest and the newest, by the library's names
        self.alpn: list[str] = []
        self.allows_unsecured = False
        self.starts_with_header = False
        self._context: SSLContext | None = None

    @property
    def verifies(self) -> bool:
        """Whether peers have to show a certificate."""
        return self.verify != _ANONYMOUS_PEER

    @property
    def checks_name(self) -> bool:
        """Whether it has to be valid for the name of the peer."""
        return self.verify == _VERIFY_PEER_NAME

    def changed(self) -> int:
        """Has the next layer get a new context; returns 0, for success."""
        self._context = None
        return 0

    def probe(self, what: str, use: Any, *arguments: Any) -> None:
        """Whether a setting can be used, before it is taken: on a context that is thrown away.

        :raises SSLException: it cannot.
        """
        try:
            use(ssl.SSLContext(self._side()), *arguments)
        except (OSError, ValueError, TypeError) as error:  # SSLError is an OSError
            raise SSLException(f"SSL failure. ({what}: {plain_reason(error)})") from None

    def context(self) -> SSLContext:
        """The context with the settings of now."""
        if self._context is None:
            try:
                self._context = self._make_context()
            except OSError as error:  # a file that is gone, or ciphers that do not go with the rest
                raise SSLException(f"SSL failure. (cannot use the settings: {plain_reason(error)})") from None
        return self._context

    def _side(self) -> Any:
        return ssl.PROTOCOL_TLS_CLIENT if self.is_client else ssl.PROTOCOL_TLS_SERVER

    def _make_context(self) -> SSLContext:
        context = ssl.SSLContext(self._side())
        context.check_hostname = False  # done here, by rules that know more patterns
        context.verify_mode = ssl.CERT_REQUIRED if self.verifies else ssl.CERT_NONE
        context.options |= ssl.OP_NO_COMPRESSION | getattr(ssl, "OP_NO_RENEGOTIATION", _NO_RENEGOTIATION)
        if self.versions is None:
            context.minimum_version = ssl.TLSVersion.TLSv1_2
        else:
            context.minimum_version, context.maximum_version = (getattr(ssl.TLSVersion, name) for name in self.versions)
        if self.verifies:
            context.verify_flags |= _PARTIAL_CHAIN
            trusted = self.trusted or ([self.advertised] if self.advertised else [])
            if self.is_client or not trusted:
                context.load_default_certs(ssl.Purpose.SERVER_AUTH if self.is_client else ssl.Purpose.CLIENT_AUTH)
            for path in trusted:
                _load_trusted(context, path)
        if self.credentials is not None:
            _load_credentials(context, self.credentials)
        self._set_ciphers(context)
        if self.alpn:
            context.set_alpn_protocols(self.alpn)
        return context

    def _set_ciphers(self, context: SSLContext) -> None:
        if self.ciphers is not None:
            # Where peers are verified they need something to show, whatever the library would let the list say.
            try:
                context.set_ciphers(self.ciphers + ":!aNULL" if self.verifies else self.ciphers)
            except ssl.SSLError:
                raise SSLException(f"SSL failure. (ciphers {self.ciphers!r} leave no peer to verify)") from None
        elif self.verifies or self.credentials is not None:
            context.set_ciphers(_AUTHENTICATED)
        else:
            try:
                context.set_ciphers(_ANONYMOUS)
            except ssl.SSLError:
                return  # a library without anonymous ciphers: certificates remain
            if not self.is_client:
                context.load_dh_params(_DH_PARAMETERS)


class SSLDomain:
    """TLS settings for any number of transports. A change is for the `SSL` objects that are made after it.

    :param mode: `MODE_CLIENT`, which verifies the peer and its name against the system's trust store unless told
        otherwise, or `MODE_SERVER`, which asks clients for nothing.
    :raises ValueError: another mode.
    :raises SSLUnavailable: this Python was built without TLS.
    """

    MODE_CLIENT = 1
    MODE_SERVER = 2
    VERIFY_PEER = 1
    ANONYMOUS_PEER = _ANONYMOUS_PEER
    VERIFY_PEER_NAME = _VERIFY_PEER_NAME

    def __init__(self, mode: int) -> None:
        if mode not in (self.MODE_CLIENT, self.MODE_SERVER) or isinstance(mode, bool):
            raise ValueError(f"expected MODE_CLIENT or MODE_SERVER, got {mode!r}")
        check_tls()
        self._settings = TLSSettings(is_client=mode == self.MODE_CLIENT)

    def __repr__(self) -> str:
        return f"<SSLDomain {'client' if self._settings.is_client else 'server'} verify={self._settings.verify}>"

    def set_credentials(self, cert_file: str, key_file: str | None, password: str | None) -> int:
        """Give the certificate to show to peers, and its key.

        :param cert_file: a PEM file, the own certificate first, then those that lead to an authority.
        :param key_file: a PEM file; None when the key is in `cert_file`.
        :param password: opens the key; None for one that is not encrypted.
        :return: 0.
        :raises SSLException: a file cannot be used, the password is wrong, or the key belongs to another certificate.
        """
        credentials = (cert_file, key_file, password)
        self._settings.probe(
            f"cannot use certificate {cert_file!r} with key {key_file!r}", _load_credentials, credentials
        )
        self._settings.credentials = credentials
        return self._settings.changed()

    def set_trusted_ca_db(self, certificate_db: str) -> int:
        """Name the authorities to trust: for a client beside those of the system, for a server in place of them.

        :param certificate_db: a PEM file, or a folder of certificates under their hash names.
        :return: 0.
        :raises SSLException: it cannot be read, or a file without certificates.
        """
        self._settings.probe(f"cannot use trusted certificates {certificate_db!r}", _load_trusted, certificate_db)
        self._settings.trusted.append(certificate_db)
        return self._settings.changed()

    def set_peer_authentication(self, verify_mode: int, trusted_CAs: str | None = None) -> int:
        """Choose whether peers have to show a certificate.

        :param verify_mode: `ANONYMOUS_PEER` for no; `VERIFY_PEER` for one that a trusted authority has signed;
            `VERIFY_PEER_NAME` for one that is valid for `SSL.peer_hostname` besides.
        :param trusted_CAs: for servers that verify: a PEM file of authorities, trusted when `set_trusted_ca_db` names
            no other.
        :return: 0.
        :raises SSLException: another mode, or a server that verifies without `trusted_CAs` or before `set_credentials`.
        """
        if verify_mode not in (self.VERIFY_PEER, self.ANONYMOUS_PEER, self.VERIFY_PEER_NAME):
            raise SSLException(f"SSL failure. (expected a verify mode of 1 to 3, got {verify_mode!r})")
        if not self._settings.is_client and verify_mode != self.ANONYMOUS_PEER:
            if trusted_CAs is None or self._settings.credentials is None:
                missing = "trusted_CAs" if trusted_CAs is None else "credentials, which come first"
                raise SSLException(f"SSL failure. (a server that verifies its peers needs {missing})")
            self._settings.probe(f"cannot use trusted certificates {trusted_CAs!r}", _load_trusted_file, trusted_CAs)
            self._settings.advertised = trusted_CAs
        self._settings.verify = verify_mode
        return self._settings.changed()

    def allow_unsecured_client(self) -> int:
        """Have a server serve clients without TLS too.

        :return: 0.
        :raises SSLException: this is a client's domain.
        """
        if self._settings.is_client:
            raise SSLException("SSL failure. (expected a server's domain, got a client's)")
        self._settings.allows_unsecured = True
        return 0

    def set_ciphers(self, ciphers: str) -> int:
        """Choose the ciphers of TLS 1.2 and older; those of 1.3 are all good.

        :param ciphers: names in the library's form, such as ``"ECDHE+AESGCM:!SHA1"``.
        :return: 0.
        :raises SSLException: none of them is known.
        """
        self._settings.probe(f"cannot use ciphers {ciphers!r}", ssl.SSLContext.set_ciphers, ciphers)
        self._settings.ciphers = ciphers
        return self._settings.changed()

    def set_protocols(self, protocols: str) -> int:
        """Choose the versions of TLS; 1.2 and 1.3 when not called.

        :param protocols: of ``TLSv1 TLSv1.1 TLSv1.2 TLSv1.3``, with spaces, commas or semicolons between.
        :return: 0.
        :raises SSLException: another name, none, or one left out between two others.
        """
        names = protocols.replace(",", " ").replace(";", " ").split()
        unknown = [name for name in names if name not in _PROTOCOLS]
        if unknown or not names:
            raise SSLException(f"SSL failure. (expected protocols of {' '.join(_PROTOCOLS)}, got {protocols!r})")
        numbers = sorted({list(_PROTOCOLS).index(name) for name in names})
        if numbers[-1] - numbers[0] != len(numbers) - 1:  # the library has bounds alone
            raise SSLException(
                f"SSL failure. (expected protocols without one left out between them, got {protocols!r})"
            )
        self._settings.versions = (list(_PROTOCOLS.values())[numbers[0]], list(_PROTOCOLS.values())[numbers[-1]])
        return self._settings.changed()

    def set_alpn(self, protocols: list[str]) -> int:
        """Name the application protocols to negotiate (RFC 7301); the one agreed on is `SSL.alpn_protocol`.

        :param protocols: such as ``["amqp"]``, the preferred first.
        :return: 0.
        :raises SSLException: a name is empty or longer than 255 bytes.
        """
        self._settings.probe(f"cannot use protocols {protocols!r}", ssl.SSLContext.set_alpn_protocols, protocols)
        self._settings.alpn = list(protocols)
        return self._settings.changed()

    def start_with_header(self) -> int:
        """Have a client begin with the AMQP header for TLS, as servers with one port for everything want it (5.2.1).

        :return: 0.
        :raises SSLException: this is a server's domain; a server takes both by itself.
        """
        if not self._settings.is_client:
            raise SSLException("SSL failure. (expected a client's domain, got a server's)")
        self._settings.starts_with_header = True
        return 0


def settings_of(domain: SSLDomain) -> TLSSettings:
    """The settings of a domain, for the TLS of a transport."""
    return domain._settings
