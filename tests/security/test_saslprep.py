"""SASLprep: the examples of RFC 4013 3, and what it maps or refuses."""

import pytest

from proton.transport.sasl.saslprep import saslprep

PREPARED = [
    ("user", "user"),
    ("USER", "USER"),  # case is kept
    ("I\u00adX", "IX"),  # a soft hyphen is mapped to nothing
    ("\u00aa", "a"),  # NFKC
    ("\u2168", "IX"),
    ("a\u00a0b\u3000c", "a b c"),  # spaces that are not ASCII
    ("\u0627\u0628", "\u0627\u0628"),
    ("p\u00e4ss", "p\u00e4ss"),
    ("p\u0061\u0308ss", "p\u00e4ss"),
    ("", ""),
]

REFUSED = [
    ("\u0007", "position 0"),
    ("ab\u007f", "position 2"),
    ("\u0627\u0031", "right-to-left"),  # RFC 4013 3, example 6
    ("\u06271\u0628a", "one direction"),
    ("a\ue000", "position 1"),  # private use
    ("\ufffd", "position 0"),
    ("a\U0001f600", "Unicode 3.2"),
]


@pytest.mark.parametrize("text, prepared", PREPARED, ids=ascii)
def test_prepared(text, prepared):
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text, reason", REFUSED, ids=ascii)
def test_refused_without_showing_the_text(text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        saslprep("secret" + text if reason.startswith("Unicode") else text)
    assert "secret" not in str(caught.value)
