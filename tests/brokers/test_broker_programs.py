"""The programs of docs/broker-programs.md, each on its broker, with the address of the test's."""

from __future__ import annotations

import re
import runpy

import pytest

from tests.support.peers import started
from tests.support.programs import ROOT

PAGE = (ROOT / "docs" / "broker-programs.md").read_text(encoding="utf-8")
#: the broker of the tests by the heading of the page, and the name of the queue there
BROKERS = {
    "RabbitMQ 4": ("RabbitMQ 4.3", "orders from abroad"),
    "RabbitMQ 3": ("RabbitMQ 3.10", None),
    "Artemis": ("Artemis 2.40", None),
}


@pytest.mark.parametrize("heading", BROKERS)
def test_the_program_for_a_broker_runs_on_it(heading, tmp_path, capsys):
    code = re.search(r"```python\n(.*?)```", PAGE[PAGE.index(f"\n## {heading}\n") :], re.S).group(1)
    name, queue = BROKERS[heading]
    with started(name) as peer:
        if queue:
            address = peer.queue()
            assert f'"{queue}"' in code
            code = code.replace(f'"{queue}"', repr(address.rpartition("/")[2]))
        code = code.replace("localhost:5672", peer.broker.address)
        code = re.sub(r'user="\w+", password="\w+"', f"user={peer.user!r}, password={peer.password!r}", code)
        program = tmp_path / "program.py"
        program.write_text(code, encoding="utf-8")
        runpy.run_path(str(program), run_name="__main__")
    assert capsys.readouterr().out == "tea\n"
