"""Bytes in and out: frames, protocol headers, SASL and TLS (parts 2 and 5).

`inbound` acts on endpoints for each frame that comes, `outbound` writes frames for what endpoints have marked;
`transport` joins the two to the protocols. Nothing here touches a socket, a clock or a logger.
"""
