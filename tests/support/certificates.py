"""Certificates for tests: those of the test kit, where the package that makes them can be had."""

from __future__ import annotations

import pytest

# A file of tests that needs certificates is skipped without the package; one that needs them for some of its tests
# imports this module in a fixture.
pytest.importorskip("cryptography", reason="cryptography is not installed: it has no wheels for PyPy")

from proton.testing.authority import Authority, Issued

__all__ = ["Authority", "Issued"]
