"""Sockets and what waits for them: the input and output of the container's own loop.

`sockets` makes them, `connect` and `resolving` lead to one, `selectable` and `poller` wait, and `socket_handler` gives
what comes to drivers. Keep true: AMQP is moved by `proton.driver.Driver` alone, never by a transport's private fields.
"""
