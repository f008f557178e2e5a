"""A link to a transaction coordinator: the target's type, its capabilities, what the attach leaves out (4.10, 4.11)."""

from __future__ import annotations

from engines import connected, plain, pump, show

from proton import Data, Terminus, symbol

for capabilities in ((), ("amqp:local-transactions",), ("amqp:local-transactions", "amqp:multi-txns-per-ssn")):
    a, b = connected(trace=True)
    session = a.connection.session()
    session.open()
    link = session.sender("txn")
    link.target.type = Terminus.COORDINATOR
    link.max_message_size = 5
    link.properties = {"left": "out"}
    if capabilities:
        data = link.target.capabilities
        data.put_array(False, Data.SYMBOL)
        data.enter()
        for capability in capabilities:
            data.put_symbol(symbol(capability))
        data.exit()
    link.open()
    pump(a, b)
    show(f"{len(capabilities)} capabilities", a, b)
    remote = b.connection.link_head(0)
    print(remote.remote_target.type, remote.remote_target.address, remote.remote_source.type)
    data = remote.remote_target.capabilities
    data.rewind()
    print(plain(data.get_object()) if data.next() else None)
    print(remote.remote_max_message_size, remote.remote_properties)
