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


CLOSED = """
import sys
from proton import Connection, Message, Transport
sys.stderr.close()
Message(bdy=1)
sender = Connection().session().sender("x")
sender.send(Message(properties={"a": {}}))
print(sender.queued)
"""
MISNAMED = """
import sys
from proton.reactor import Container
class Program:
    def on_mesage(self, event):
        pass
sys.stderr.close()
Container(Program()).run()
print("done")
"""


@pytest.mark.parametrize(("script", "printed"), [(CLOSED, "1\n"), (MISNAMED, "done\n")])
def test_a_warning_that_cannot_be_written_is_lost(script, printed):
    done = subprocess.run([sys.executable, "-X", "dev", "-c", script], stdout=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, printed)


def test_a_filter_may_turn_a_warning_into_an_exception():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="has no option 'x'"):
            unknown_options("f()", ["x"], KNOWN)


def test_what_finds_the_nearest_name_is_loaded_with_the_first_mistake():
    script = "import sys, proton, proton.reactor, proton.utils; assert 'difflib' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
