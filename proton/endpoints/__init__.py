"""What the two peers share: connections, sessions, links, deliveries and the events about them (parts 2 and 3).

Nothing here reads or writes bytes of frames: the transport floor above calls down into these objects
and reads what they marked. Import order inside the floor: handler, events, condition, terminus,
disposition, endpoint, delivery, link, session, connection; upward only by attribute.
"""
