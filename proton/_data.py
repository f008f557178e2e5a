"""Names that programs import from here for want of another place; new programs have no use for them.

Nothing is defined here that is used elsewhere in the package.
"""

from __future__ import annotations

from proton.codec.data import Data
from proton.codec.types import (
    UNDESCRIBED,
    AnnotationDict,
    Array,
    Constant,
    Described,
    PropertyDict,
    RestrictedKeyDict,
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
from proton.exceptions import DataException

__all__ = [
    "AnnotationDict",
    "Array",
    "Constant",
    "Data",
    "DataException",
    "Described",
    "PropertyDict",
    "RestrictedKeyDict",
    "SymbolList",
    "UNDESCRIBED",
    "byte",
    "char",
    "decimal128",
    "decimal32",
    "decimal64",
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
