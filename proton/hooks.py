"""Public: hooks for each message that is sent, received and settled, on every face; docs/hooks.md is the guide.

For traces and measurements. The names live in endpoints/hooks.py. Without hooks a message pays a few comparisons.
"""

from __future__ import annotations

from proton.endpoints.hooks import MessageHooks, add_hooks, remove_hooks

__all__ = ["MessageHooks", "add_hooks", "remove_hooks"]
