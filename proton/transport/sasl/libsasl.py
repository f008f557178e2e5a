"""The system's Cyrus SASL library (libsasl2), by `ctypes`: its functions, its callbacks, its connections.

The library is looked for on first need, once. Keep true:
1. It keeps the addresses that it is given: a `Handle` holds what belongs to its connection until that is disposed of.
2. Its mutexes do nothing, and setting them would be for the whole process: every call that may touch what its
   connections share is made under `lock`. A security layer only touches what is its connection's.
3. Callbacks are functions of this module, and the address that they are called with is all that they need: nothing
   here refers to an exchange, and one that is dropped is gone at once.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import weakref
from typing import Any, Callable

from proton.lazy import ctypes, is_present
from proton.transport.sasl.exchange import AuthenticationFailed, TemporaryAuthFailure

__all__ = ["CONTINUE", "OK", "Handle", "NothingUsable", "find", "initialize", "lock", "wipe"]

NAMES = ["libsasl2.so.3", "libsasl2.so.2", "libsasl2.so"]
if sys.platform == "darwin":
    NAMES = ["/usr/lib/libsasl2.2.dylib", "libsasl2.3.dylib", "libsasl2.dylib"]

#: the functions of the library, and what they take: a number, an unsigned one, a text, an address
_FUNCTIONS = (
    "set_path:it client_init:a server_init:at errdetail:a seterror:aut errstring:iaa dispose:a getprop:aia setprop:aia "
    "client_new:ttttaua client_start:ataaaa client_step:atuaaa server_new:tttttaua server_start:attuaa "
    "server_step:atuaa listmech:attttaaa encode:atuaa decode:atuaa"
)
OK, CONTINUE = 0, 1
_INTERACT, _NOTHING_USABLE = 2, -4
#: no memory, try again, not initialized, the server that knows cannot be reached, a wrong configuration
_UNAVAILABLE = (-2, -8, -12, -24, -100)
CB_LOG, CB_USER, CB_AUTHNAME, CB_PASS, CB_PROXY_POLICY = 2, 0x4001, 0x4002, 0x4004, 0x8001
USERNAME, SSF, MAXOUTBUF, AUTHUSER = 0, 1, 2, 16  # what a connection tells
SSF_EXTERNAL, SEC_PROPS, AUTH_EXTERNAL = 100, 101, 102  # what it is told
_PATH_OF_CONFIGURATION = 1
_NO_LOG = 1
_MAX_REASON_LENGTH = 400  # characters, as some of it is the peer's

lock: threading.RLock = threading.RLock()
_library: Any = None
_searched = False
_initialized: set[str] = set()  # the sides that it is ready for
_callbacks: dict[int, Any] = {}
_retained: list[Any] = []  # what it has the address of for good


class NothingUsable(AuthenticationFailed):
    """None of the mechanisms that are offered can be used."""


# -- the library -----------------------------------------------------------------------------------------------------


def find() -> Any:
    """The library; None when it is not there."""
    global _library, _searched
    if not _searched:
        with lock:
            if not _searched and is_present(ctypes):
                _library = _load()
            _searched = True
    return _library


def _load() -> Any:
    types = {"i": ctypes.c_int, "u": ctypes.c_uint, "t": ctypes.c_char_p, "a": ctypes.c_void_p}
    for name in NAMES:
        try:
            library = ctypes.CDLL(name)
            for entry in _FUNCTIONS.split():
                function, _, takes = entry.partition(":")
                getattr(library, f"sasl_{function}").argtypes = [types[letter] for letter in takes]
        # Without `argtypes` 64-bit addresses would be cut to an int, hence all functions are declared here.
        except (OSError, AttributeError):  # it is not there, or it is another
            continue
        library.sasl_errdetail.restype = library.sasl_errstring.restype = ctypes.c_char_p
        library.sasl_dispose.restype = library.sasl_seterror.restype = None
        for number, (takes, act) in _CALLBACKS.items():
            kind = ctypes.CFUNCTYPE(ctypes.c_int, *[types[letter] for letter in takes])
            _callbacks[number] = kind(act)
        return library
    return None


def initialize(side: str, path: str, name: str) -> None:
    """Has the library read its plugins, and a server's configuration: once for each side. Under `lock`.

    :param side: "client" or "server".
    :param path: folders of the configuration with colons between, "" for the library's own.
    :param name: of its file.
    :raises TemporaryAuthFailure: the library cannot initialize.
    """
    if side in _initialized:
        return
    callbacks = _callback_list({CB_LOG: 0})
    _retained.append(callbacks)
    if side == "client":
        code = _library.sasl_client_init(callbacks)
    else:
        if path:
            _library.sasl_set_path(_PATH_OF_CONFIGURATION, os.fsencode(path))
        code = _library.sasl_server_init(callbacks, os.fsencode(name))
    if code != OK:
        raise TemporaryAuthFailure(refusal(code).reason)
    _initialized.add(side)


def refusal(code: int, detail: bytes | None = None) -> AuthenticationFailed:
    """What the library says of an error."""
    if not detail:
        detail = b"SASL(%d): %s" % (code, _library.sasl_errstring(code, None, None) or b"")
    kind = (
        TemporaryAuthFailure
        if code in _UNAVAILABLE
        else NothingUsable
        if code == _NOTHING_USABLE
        else AuthenticationFailed
    )
    return kind(printable(detail.rstrip(b": ")))


def printable(text: bytes | None) -> str:
    """A text of the library's as it may be shown."""
    return "".join(c if c.isprintable() else "?" for c in (text or b"").decode("utf-8", "replace")[:_MAX_REASON_LENGTH])


def wipe(secret: Any) -> None:
    """Overwrites a secret; None for none."""
    if secret is not None:
        ctypes.memset(secret, 0, ctypes.sizeof(secret))


# -- callbacks: what they are called with is the address of a text or of a secret ------------------------------------


def _drop_log(address: int | None, level: int, message: int | None) -> int:
    return OK


def _return_text(text: int, number: int, result: int | None, length: int | None) -> int:
    if result:
        ctypes.c_void_p.from_address(result).value = text
    if length:
        ctypes.c_uint.from_address(length).value = len(ctypes.string_at(text))
    return OK


def _return_secret(connection: int | None, secret: int, number: int, result: int | None) -> int:
    if result:
        ctypes.c_void_p.from_address(result).value = secret
    return OK


def _allow_identity(*request: Any) -> int:
    """The program, which sees `SASL.authorization`, decides which identities a user may act as."""
    return OK


_CALLBACKS: dict[int, tuple[str, Any]] = {
    CB_LOG: ("aia", _drop_log),
    CB_USER: ("aiaa", _return_text),
    CB_AUTHNAME: ("aiaa", _return_text),
    CB_PASS: ("aaia", _return_secret),
    CB_PROXY_POLICY: ("aaauauaua", _allow_identity),
}


def _callback_list(addresses: dict[int, int]) -> Any:
    """Callbacks as the library takes them, each with the address that it is called with."""
    entries = [
        struct.pack("@LPP", number, ctypes.cast(_callbacks[number], ctypes.c_void_p).value, address)
        for number, address in addresses.items()
    ]
    return ctypes.create_string_buffer(b"".join([*entries, struct.pack("@LPP", 0, 0, 0)]))


# -- connections -----------------------------------------------------------------------------------------------------


class Handle:
    """A connection of the library, disposed of when this object goes or is closed. To be made under `lock`.

    :param new: the function that makes it.
    :param arguments: all that it takes before the callbacks.
    :param texts: what callbacks give: their number and the text, None for those that give none.
    :param password: what the callback for the password gives, None for none.
    :raises AuthenticationFailed: the library does not make it.
    """

    def __init__(
        self, new: Any, arguments: list[bytes | None], texts: dict[int, str | None], password: str | None = None
    ) -> None:
        # The callbacks get addresses, so these buffers have to live as long as the connection.
        kept = {number: ctypes.create_string_buffer((text or "").encode("utf-8")) for number, text in texts.items()}
        #: the password as the library takes it, to be wiped
        self.secret: Any = None
        if password is not None:
            encoded = password.encode("utf-8")
            kept[CB_PASS] = self.secret = ctypes.create_string_buffer(struct.pack("@L", len(encoded)) + encoded)
        callbacks = _callback_list({CB_LOG: 0, **{number: ctypes.addressof(text) for number, text in kept.items()}})
        place = ctypes.c_void_p()
        code = new(*arguments, callbacks, 0, ctypes.byref(place))
        if code != OK or not place.value:
            raise refusal(code)
        self._address = place.value
        self.close: weakref.finalize[..., Handle] = weakref.finalize(
            self, _dispose, self._address, (callbacks, *kept.values()), self.secret
        )
        # At the end of the process nothing is worth a call into a library that other threads may still be in.
        self.close.atexit = False

    def refusal(self, code: int) -> AuthenticationFailed:
        """What the library says of an error of this connection."""
        return refusal(code, _library.sasl_errdetail(self._address) if code != _INTERACT else None)

    def clear_error(self) -> None:
        """What was said before is not of what comes."""
        _library.sasl_seterror(self._address, _NO_LOG, b"")

    def call(self, function: Callable[..., int], *arguments: Any) -> tuple[int, bytes | None]:
        """Calls a function that gives bytes.

        :param function: takes the connection, the arguments, and places for an address and a size.
        :return: the code, and a copy of the bytes; None for none, which is not the same as empty.
        """
        address, size = ctypes.c_void_p(), ctypes.c_uint()
        code = function(self._address, *arguments, ctypes.byref(address), ctypes.byref(size))
        return code, ctypes.string_at(address, size.value) if code in (OK, CONTINUE) and address.value else None

    def start(self, names: list[str]) -> tuple[int, bytes | None, str]:
        """A client's first step: the code, the initial response, and the mechanism of these that was chosen."""
        asked, chosen = ctypes.c_void_p(), ctypes.c_char_p()

        def function(address: int, *places: Any) -> int:
            offered = " ".join(names).encode("ascii")
            more = ctypes.byref(chosen)
            return int(_library.sasl_client_start(address, offered, ctypes.byref(asked), *places, more))

        code, initial = self.call(function)
        return code, initial, printable(chosen.value)

    def step(self, challenge: bytes) -> tuple[int, bytes | None]:
        """A client's next step: the code and the response."""
        return self.call(_library.sasl_client_step, challenge, len(challenge), ctypes.byref(ctypes.c_void_p()))

    def mechanisms(self) -> list[str]:
        """What a server can offer, in the library's order."""
        place = ctypes.c_char_p()
        code = _library.sasl_listmech(self._address, None, b"", b" ", b"", ctypes.byref(place), None, None)
        return printable(place.value).split() if code == OK else []

    def set(self, number: int, value: bytes) -> None:
        """Sets a property, which the library copies.

        :raises AuthenticationFailed: it does not take it.
        """
        code = _library.sasl_setprop(self._address, number, value)
        if code != OK:
            raise self.refusal(code)

    def _get(self, number: int) -> int | None:
        place = ctypes.c_void_p()
        code = _library.sasl_getprop(self._address, number, ctypes.byref(place))
        return place.value if code == OK else None

    def text(self, number: int) -> str | None:
        """A property that is a text."""
        found = self._get(number)
        return ctypes.string_at(found).decode("utf-8", "replace") if found else None

    def number(self, number: int) -> int:
        """A property that is a number."""
        found = self._get(number)
        return int(ctypes.c_uint.from_address(found).value) if found else 0


def _dispose(address: int, kept: tuple[Any, ...], secret: Any) -> None:
    with lock:
        _library.sasl_dispose(ctypes.byref(ctypes.c_void_p(address)))
    wipe(secret)
