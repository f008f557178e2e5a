"""What every test keeps to: no error of our own code is contained in silence."""

from __future__ import annotations

import logging

import pytest

from proton.transport import failure

INTERNAL = logging.getLogger(failure.log.name)


class _Recorder(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture(autouse=True)
def internal_errors():
    """The records of contained internal errors; a test that provokes some has to clear the list, any other fails."""
    recorder = _Recorder()
    INTERNAL.addHandler(recorder)
    yield recorder.records
    INTERNAL.removeHandler(recorder)
    if recorder.records:
        texts = [logging.Formatter().format(record) for record in recorder.records]
        pytest.fail("contained by the transport, but a bug:\n" + "\n".join(texts), pytrace=False)
