"""Warnings about mistakes of the program: their text, and that they point to the program's line."""

import subprocess
import sys
import warnings

import pytest

from proton.warn import nearest, unknown_options, warn

KNOWN = ("user", "password", "heartbeat", "virtual_host", "sni")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("usr", "user"),
        ("pasword", "password"),
        ("hartbeat", "heartbeat"),
        ("virtualhost", "virtual_host"),
        ("zzz", None),
    ],
)
def test_the_nearest_name_is_the_one_that_was_meant(given, expected):
    assert nearest(given, KNOWN) == expected


def test_each_option_that_is_not_known_is_told_with_the_nearest_one():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        unknown_options("connect()", ["pasword", "user", "zzz"], KNOWN)
    assert [str(warning.message) for warning in caught] == [
        "connect() has no option 'pasword', which is ignored: did you mean 'password'?",
        "connect() has no option 'zzz', which is ignored",
    ]
    assert {warning.category for warning in caught} == {UserWarning}


def test_a_warning_points_to_the_line_outside_of_the_package():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        line = sys._getframe().f_lineno + 1
        unknown_options("f()", ["x"], KNOWN)
        warn("text", DeprecationWarning)
    assert [(warning.filename, warning.lineno) for warning in caught] == [(__file__, line), (__file__, line + 1)]
    assert caught[1].category is DeprecationWarning


def test_what_finds_the_nearest_name_is_loaded_with_the_first_mistake():
    script = "import sys, proton, proton.reactor, proton.utils; assert 'difflib' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
