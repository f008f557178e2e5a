"""SASLprep (RFC 4013): user names and passwords in the one form in which both ends compare and hash them."""

from __future__ import annotations

from proton.lazy import stringprep, unicodedata

__all__ = ["saslprep"]

# RFC 4013 2.3 names these tables of RFC 3454; they are of Unicode 3.2, whatever version Python has.
_PROHIBITED = ("c12", "c21_c22", "c3", "c4", "c5", "c6", "c7", "c8", "c9")


def saslprep(text: str) -> str:
    """Prepare a text; code points that Unicode 3.2 lacks are refused, as for a stored string.

    :raises ValueError: it has characters that are not allowed. The text itself is not shown: it may be a password.
    """
    if text.isascii() and text.isprintable():
        return text  # nothing in it is mapped or prohibited; almost all names and passwords are like this
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )
    # RFC 4013 2.2 has NFKC as of Unicode 3.2; that table lets no other character pass below.
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    prohibited = [getattr(stringprep, f"in_table_{name}") for name in _PROHIBITED]
    for position, character in enumerate(prepared):
        if any(table(character) for table in prohibited):
            raise ValueError(f"expected no control or special characters, got one at position {position}")
        # Another version might normalize it in another way: the two ends would hash different bytes (RFC 3454 7).
        if stringprep.in_table_a1(character):
            raise ValueError(f"expected characters of Unicode 3.2, got another at position {position}")
    if any(map(stringprep.in_table_d1, prepared)):
        # RFC 3454 6: right-to-left text is that from end to end
        if any(map(stringprep.in_table_d2, prepared)):
            raise ValueError("expected text of one direction, got both")
        if not (stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])):
            raise ValueError("expected right-to-left text to begin and end with a right-to-left character")
    return prepared
