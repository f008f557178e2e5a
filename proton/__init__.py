"""AMQP 1.0 for Python: the protocol engine and the types of messages.

`proton.reactor` has the loop that runs programs, `proton.handlers` what they are made of, `proton.utils` the
blocking interface. What this module does not list may change in any release.
"""

from __future__ import annotations

import logging
import os
import sys

from proton.codec.data import Data
from proton.codec.limits import DecodeLimits
from proton.codec.types import (
    UNDESCRIBED,
    AnnotationDict,
    Array,
    Described,
    PropertyDict,
    SymbolList,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)
from proton.endpoints.condition import Condition
from proton.endpoints.connection import Connection
from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import (
    CustomDisposition,
    DeclaredDisposition,
    Disposition,
    DispositionType,
    ModifiedDisposition,
    ReceivedDisposition,
    RejectedDisposition,
    TransactionalDisposition,
)
from proton.endpoints.endpoint import Endpoint
from proton.endpoints.events import Collector, Event, EventType
from proton.endpoints.handler import Handler
from proton.endpoints.link import Link
from proton.endpoints.receiver import Receiver
from proton.endpoints.sender import Sender
from proton.endpoints.session import Session
from proton.endpoints.streaming import BodyReader
from proton.endpoints.terminus import Terminus
from proton.exceptions import (
    ConnectionException,
    DataException,
    Interrupt,
    LinkException,
    MessageException,
    ProtonException,
    SASLException,
    SessionException,
    SSLException,
    SSLUnavailable,
    Timeout,
    TransportException,
)
from proton.lazy import logging_config
from proton.logs import DefaultHandler
from proton.message import Message
from proton.transport.sasl.credentials import Credentials
from proton.transport.sasl.layer import SASL
from proton.transport.sasl.scram import ScramVerifier
from proton.transport.tls.domain import SSLDomain
from proton.transport.tls.layer import SSL, SSLSessionDetails
from proton.transport.transport import Transport
from proton.url import Url

__all__ = [
    "API_LANGUAGE",
    "IMPLEMENTATION_LANGUAGE",
    "UNDESCRIBED",
    "VERSION_MAJOR",
    "VERSION_MINOR",
    "AnnotationDict",
    "Array",
    "BodyReader",
    "Collector",
    "Condition",
    "Connection",
    "ConnectionException",
    "Credentials",
    "CustomDisposition",
    "Data",
    "DataException",
    "DeclaredDisposition",
    "DecodeLimits",
    "Delivery",
    "Described",
    "Disposition",
    "DispositionType",
    "Endpoint",
    "Event",
    "EventType",
    "Handler",
    "Interrupt",
    "Link",
    "LinkException",
    "Message",
    "MessageException",
    "ModifiedDisposition",
    "PropertyDict",
    "ProtonException",
    "Receiver",
    "ReceivedDisposition",
    "RejectedDisposition",
    "SASL",
    "SASLException",
    "SSL",
    "SSLDomain",
    "SSLException",
    "SSLSessionDetails",
    "SSLUnavailable",
    "ScramVerifier",
    "Sender",
    "Session",
    "SessionException",
    "SymbolList",
    "Terminus",
    "Timeout",
    "TransactionalDisposition",
    "Transport",
    "TransportException",
    "Url",
    "byte",
    "char",
    "decimal32",
    "decimal64",
    "decimal128",
    "float32",
    "int32",
    "short",
    "symbol",
    "timestamp",
    "ubyte",
    "uint",
    "ulong",
    "ushort",
]

#: the version of this package; the build and CHANGELOG.md take it from here
__version__ = "0.1.0"

#: the version of the API that programs written for it can rely on, and the package's own language
VERSION_MAJOR = 0
VERSION_MINOR = 40
VERSION_POINT = 0
VERSION = (VERSION_MAJOR, VERSION_MINOR, VERSION_POINT)
API_LANGUAGE = "Python"
IMPLEMENTATION_LANGUAGE = "Python"

#: the file that configures logging, or None; without one `handler` prints warnings and errors to standard error, until
#: the program adds a handler of its own
logconfigfile: str | None = os.environ.get("PNPY_LOGGER_CONFIG")
handler: DefaultHandler = DefaultHandler()
if logconfigfile:
    logging_config.fileConfig(logconfigfile, None, False)
log: logging.Logger = logging.getLogger("proton")
if not logconfigfile:
    log.addHandler(handler)
if sys.flags.dev_mode:
    from proton.endpoints import handler as _handler
    from proton.handlers.misnamed import warn_of_misnamed as _warn_of_misnamed

    _handler.inspector = _warn_of_misnamed
# The one file that python-qpid-proton, of any version, leaves beside the folder that both install: one `stat`.
if os.path.exists(os.path.join(os.path.dirname(__path__[0]), "cproton.py")):
    from proton.warn import warn as _warn

    _warn(
        "python-qpid-proton is installed in the same folder, and both own the package proton: an upgrade or a removal "
        "of it breaks this one (cure: python -m pip uninstall python-qpid-proton pure-proton, then "
        "python -m pip install pure-proton)",
        RuntimeWarning,
    )
