"""Decoding of every constructor, in every size form, and of bytes that are not AMQP.

For bytes that cannot be decoded the class of the exception alone is compared.
"""

from __future__ import annotations

from engines import attempt

from proton import Data

GOOD = (
    "40 41 42 43 44 45 5000 50ff 51ff 52ff 53ff 54ff 55ff 5600 5601 5602 60ffff 61ffff 70ffffffff 71ffffffff 7240490fdb"
)
GOOD += " 7300000041 7400000001 80ffffffffffffffff 81ffffffffffffffff 824000000000000000"
GOOD += " 83ffffffffffffffff 840000000000000001"
GOOD += " 9400000000000000000000000000000001 9800000000000000000000000000000001 a000 a0026162"
GOOD += " b0000000026162 a10161 b10000000161"
GOOD += (
    " a30161 b30000000161 c00100 c0030154 05 c0030154ff d0000000060000000154ff d00000000400000000 c10100 c1050254015402"
)
GOOD += " d10000000800000002 54015402 e002 0040 e003025400 e00402540102 f0000000070000000254 0102"
GOOD += " f00000000500000000 40"
GOOD += " 0053104 5 0053704 0 00a30161 40 0054 0140 00435300 005601 41 00a1016100530540"
BAD = "01 3f 46 57 5f 6f 85 95 a4 bf c2 ef ff 50 60ff 70ffff 81 94 98 a0 a002ff a1 a105 b0"
BAD += " b0000000 b000000001 c0 c000 c001 c00201"
BAD += " c0020154 c10300 d0 d00000000000000000 d000000008 d0000000060000000254ff d10000000a e0"
BAD += " e001 e00100 e00300ff f000000001"
BAD += " 00 0053 005310 000040 00c0010040 00450140 a102c328 a301e9 730011000000"


def join(text):
    """The words of a line; a word that ends in the middle of an octet or a value is joined with the next by hand."""
    words = text.split()
    merged = []
    for word in words:
        if merged and (len(merged[-1]) % 2 or merged[-1] in JOINED):
            merged[-1] += word
        else:
            merged.append(word)
    return merged


JOINED = (
    "c0030154",
    "d10000000800000002",
    "e002",
    "f0000000070000000254",
    "f00000000500000000",
    "00a30161",
    "0054",
    "005601",
)

for word in join(GOOD):
    data = Data()
    attempt(word, data.decode, bytes.fromhex(word))
    data.rewind()
    print("  ", data.next(), end=" ")
    attempt("value", data.get_object)
for word in ["", *BAD.split()]:
    data = Data()
    try:
        data.decode(bytes.fromhex(word))
        data.rewind()
        data.next()
        print(word, "->", repr(data.get_object()))
    except Exception as error:
        print(word, "refused", type(error).__name__)
