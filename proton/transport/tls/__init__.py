"""TLS over the transport's bytes: the layer, its settings, and what a certificate says (5.2)."""
