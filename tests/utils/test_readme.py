"""The blocking program of README, run as it stands."""

import pathlib
import re

from tests.support.server import serving


def test_the_program_of_the_readme(capsys):
    text = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(from proton import Message\nfrom proton.utils .*?)```", text, re.S)
    with serving() as server:
        code = code.replace("amqp://broker.example.com", server.url).replace("timeout=5)", "timeout=0.05)")
        exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == "tea\n"
