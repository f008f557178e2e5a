"""stub"""

from __future__ import annotations

from typing import Any


def available() -> bool:
    return False


def is_configured() -> bool:
    return False


def set_config_name(name: str | None) -> None: ...
def set_config_path(path: str | None) -> None: ...
def begin_client(sasl: Any, transport: Any, allowed: list[str]) -> Any:
    return None


def server_mechanisms(sasl: Any, transport: Any) -> list[str]:
    return []


def begin_server(sasl: Any, transport: Any, mech: str) -> Any:
    return None
