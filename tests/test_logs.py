"""Errors are seen without any set-up, and writing them fails nothing."""

import io
import logging
import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

import proton
from proton import Transport
from proton.logs import DefaultHandler, EngineLog, write_stderr

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture
def tree():
    """A logger with the default handler, below a root of its own: not that of the tests, which has handlers."""
    root, parent, logger = logging.Logger("root"), logging.Logger("parent"), logging.Logger("logger")
    logger.parent, parent.parent = parent, root
    logger.addHandler(DefaultHandler())
    return logger, parent, root


@pytest.fixture
def named(tree, monkeypatch):
    logger = tree[0]
    monkeypatch.setitem(logging.Logger.manager.loggerDict, "logger", logger)
    return tree


def test_warnings_and_errors_are_printed_and_nothing_else(named, capsys):
    logger = named[0]
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logger.log(level, "line of level %d", level)
    assert capsys.readouterr() == ("", "line of level 30\nline of level 40\n")


def test_the_program_may_ask_for_more_of_it(named, capsys):
    logger = named[0]
    logger.setLevel(logging.DEBUG)
    logger.handlers[0].setLevel(logging.INFO)
    logger.handlers[0].setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger.info("more")
    assert capsys.readouterr().err == "INFO more\n"


@pytest.mark.parametrize("place", [0, 1, 2], ids=["on the logger", "on its parent", "on the root"])
@pytest.mark.parametrize("other", [logging.NullHandler(), logging.StreamHandler(io.StringIO())], ids=["null", "stream"])
def test_it_yields_to_any_other_handler_for_as_long_as_that_is_there(named, place, other, capsys):
    logger = named[0]
    logger.warning("before")
    named[place].addHandler(other)
    logger.warning("meanwhile")
    named[place].removeHandler(other)
    logger.warning("after")
    assert capsys.readouterr().err == "before\nafter\n"


def test_a_handler_that_would_not_get_the_record_does_not_count(named, capsys):
    logger, parent, root = named
    root.addHandler(logging.NullHandler())
    parent.propagate = False
    logger.warning("nobody else")
    assert capsys.readouterr().err == "nobody else\n"


class Failing(io.StringIO):
    """A stream that takes nothing."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed,
    "full": lambda: Failing(OSError(28, "No space left on device")),
    "broken": lambda: Failing(BrokenPipeError(32, "Broken pipe")),
    "not a stream": object,
}


@pytest.fixture(params=STREAMS, ids=str)
def no_stderr(request, monkeypatch):
    monkeypatch.setattr(sys, "stderr", STREAMS[request.param]())


def test_a_line_that_cannot_be_written_is_lost_and_nothing_is_raised(named, no_stderr, monkeypatch):
    named[0].error("lost")
    write_stderr("lost")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    named[0].error("logged")
    write_stderr("written")
    assert sys.stderr.getvalue() == "logged\nwritten\n"


def test_a_trace_that_cannot_be_written_is_lost_and_nothing_is_raised(no_stderr):
    transport = Transport()
    transport.trace(Transport.TRACE_FRM | Transport.TRACE_RAW)
    transport.log("lost")
    assert transport.peek(100)[:4] == b"AMQP"
    transport.tracer = lambda transport, text: 1 // 0
    transport.log("lost")


def test_a_handler_of_the_program_that_cannot_write_does_not_raise_out_of_the_engine(named, no_stderr, monkeypatch):
    logger = named[0]
    logger.addHandler(logging.StreamHandler(closed()))
    EngineLog(logger).error("lost")
    EngineLog(logger).error("lost", exc_info=ValueError("lost"))


def test_text_that_the_stream_cannot_encode_is_escaped(monkeypatch):
    octets = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(octets, encoding="ascii"))
    write_stderr("größer \ud83d")
    assert octets.getvalue() == b"gr\\xf6\\xdfer \\ud83d\n"


def test_arguments_that_do_not_fit_are_not_an_error_of_the_program(named, capsys):
    named[0].error("%d messages", "many")
    assert capsys.readouterr().err == "'%d messages' (cannot be formatted: TypeError)\n"


def test_a_line_names_the_module_that_has_written_it(caplog):
    log = EngineLog(logging.getLogger("proton"))
    caplog.set_level(logging.DEBUG, "proton")
    for write in (log.debug, log.info, log.warning, log.error):
        write("a %s", "line")
    log.log(logging.ERROR, "a line")
    assert {record.filename for record in caplog.records} == {"test_logs.py"}
    assert [record.levelname for record in caplog.records] == ["DEBUG", "INFO", "WARNING", "ERROR", "ERROR"]


def python(*programs, stderr=subprocess.PIPE):
    """Runs a program in a process of its own, without the handlers of the tests."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT), PNPY_LOGGER_CONFIG="")
    environment.pop("PYTHONUNBUFFERED", None)  # the buffers that most programs have
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(map(textwrap.dedent, programs))],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done


REFUSED = """
    import socket
    from proton.handlers import MessagingHandler
    from proton.reactor import Container
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    container = Container(MessagingHandler())
    container.connect(f"127.0.0.1:{port}", reconnect=False)
    container.run()
    print("done")
"""


def test_a_program_without_any_set_up_shows_why_it_could_not_connect():
    done = python(REFUSED)
    assert "Connection refused to all addresses" in done.stderr and done.stdout == "done\n"


def test_a_program_that_sets_logging_up_afterwards_gets_each_line_once():
    done = python("import proton, logging; logging.basicConfig(format='%(name)s: %(message)s')", REFUSED)
    assert done.stderr.count("Connection refused to all addresses") == 1 and "proton: " in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_program_whose_standard_error_is_full_runs_to_its_end():
    with open("/dev/full", "w") as full:
        assert python(REFUSED, stderr=full).stdout == "done\n"


def test_a_program_whose_standard_error_is_closed_runs_to_its_end():
    assert python("import sys; sys.stderr.close()", REFUSED).stdout == "done\n"
    assert python("import sys; sys.stderr = None", REFUSED).stdout == "done\n"


def test_what_a_blocking_call_raises_is_not_logged_as_an_error_too():
    done = python(
        """
        import socket
        from proton import ConnectionException
        from proton.utils import BlockingConnection
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        for place in (f"127.0.0.1:{port}", "no-such-host.invalid:5"):
            try:
                BlockingConnection(place, timeout=10)
            except ConnectionException as error:
                print(error)
        """
    )
    assert "Connection refused to all addresses" in done.stdout and "cannot resolve no-such-host" in done.stdout
    assert done.stderr == ""


def test_the_handler_has_the_name_that_programs_know():
    assert isinstance(proton.handler, DefaultHandler) and proton.handler.level == logging.WARNING
    assert proton.handler in proton.log.handlers
