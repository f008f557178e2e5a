"""SASL: the layer of both roles, the mechanisms, and where credentials come from (5.3)."""
