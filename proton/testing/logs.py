"""The log of the test kit."""

from __future__ import annotations

import logging

__all__ = ["log"]

#: what happens in a broker: connections and links at INFO, messages at DEBUG
log: logging.Logger = logging.getLogger("proton.testing")
