"""Settle modes of both ends in every combination, with a message settled or not.

What the attach says, what the other end reads, what arrives.
"""

from __future__ import annotations

from engines import describe_delivery, linked, pump, send, show

for sending in (0, 1, 2):
    for receiving in (0, 1):
        a, b, sender, receiver = linked(credit=5, trace=True, modes=(sending, receiving))
        print("==", sending, receiving, receiver.remote_snd_settle_mode, receiver.remote_rcv_settle_mode)
        print(sender.remote_snd_settle_mode, sender.remote_rcv_settle_mode, receiver.snd_settle_mode)
        for settle in (False, True):
            send(sender, f"settle {settle}", settle=settle)
        pump(a, b)
        show("sent", a, b)
        while receiver.current:
            delivery = receiver.current
            print(describe_delivery(delivery))
            delivery.update(delivery.ACCEPTED)
            delivery.settle()
        pump(a, b)
        show("settled", a, b)
