"""The benchmarks are scripts of a folder of their own, which import each other by name."""

import sys

from tests.support.programs import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
