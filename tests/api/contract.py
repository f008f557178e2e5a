"""The members of module `proton`, as its documented API has them: what programs rely on.

One line a member: `name(parameters)` for a method, `static` or `classmethod` before it where it is one, `name rw` for
an attribute that can be set, `NAME = value` for a constant, a bare name for an attribute that is read. What a base has
is not repeated. Keep true: a line is taken away only when the API that we follow drops it. Ours may have more members,
and more parameters behind those that are here, with defaults.
"""

CLASSES = {
    "AnnotationDict": """
        update(self, e=None, **kwargs)
    """,
    "Array": "",
    "Collector": """
        more(self)
        peek(self)
        pop(self)
        put(self, obj, etype)
        release(self)
    """,
    "Condition": "",
    "Connection": """
        authorization rw
        close(self)
        collect(self, collector)
        connected_address
        connection
        container rw
        desired_capabilities rw
        error
        free(self)
        hostname rw
        link_head(self, mask)
        offered_capabilities rw
        open(self)
        password rw
        properties rw
        remote_container
        remote_desired_capabilities
        remote_hostname
        remote_offered_capabilities
        remote_properties
        session(self)
        session_head(self, mask)
        state
        transport
        user rw
        work_head
        static wrap(impl)
    """,
    "ConnectionException": "",
    "Data": """
        ARRAY = 23
        BINARY = 19
        BOOL = 2
        BYTE = 4
        CHAR = 9
        DECIMAL128 = 17
        DECIMAL32 = 15
        DECIMAL64 = 16
        DESCRIBED = 22
        DOUBLE = 14
        FLOAT = 13
        INT = 8
        LIST = 24
        LONG = 11
        MAP = 25
        NULL = 1
        SHORT = 6
        STRING = 20
        SYMBOL = 21
        TIMESTAMP = 12
        UBYTE = 3
        UINT = 7
        ULONG = 10
        USHORT = 5
        UUID = 18
        clear(self)
        copy(self, src)
        decode(self, encoded)
        dump(self)
        encode(self)
        encoded_size(self)
        enter(self)
        exit(self)
        format(self)
        get_array(self)
        get_binary(self)
        get_bool(self)
        get_byte(self)
        get_char(self)
        get_decimal128(self)
        get_decimal32(self)
        get_decimal64(self)
        get_dict(self)
        get_double(self)
        get_float(self)
        get_int(self)
        get_list(self)
        get_long(self)
        get_map(self)
        get_object(self)
        get_py_array(self)
        get_py_described(self)
        get_sequence(self)
        get_short(self)
        get_string(self)
        get_symbol(self)
        get_timestamp(self)
        get_ubyte(self)
        get_uint(self)
        get_ulong(self)
        get_ushort(self)
        get_uuid(self)
        is_described(self)
        is_null(self)
        lookup(self, name)
        narrow(self)
        next(self)
        prev(self)
        put_array(self, described, element_type)
        put_binary(self, b)
        put_bool(self, b)
        put_byte(self, b)
        put_char(self, c)
        put_decimal128(self, d)
        put_decimal32(self, d)
        put_decimal64(self, d)
        put_described(self)
        put_dict(self, d)
        put_double(self, d)
        put_float(self, f)
        put_int(self, i)
        put_list(self)
        put_long(self, i64)
        put_map(self)
        put_memoryview(self, mv)
        put_null(self)
        put_object(self, obj)
        put_py_array(self, a)
        put_py_described(self, d)
        put_sequence(self, s)
        put_short(self, s)
        put_string(self, s)
        put_symbol(self, s)
        put_timestamp(self, t)
        put_ubyte(self, ub)
        put_uint(self, ui)
        put_ulong(self, ul)
        put_ushort(self, us)
        put_uuid(self, u)
        rewind(self)
        type(self)
        classmethod type_name(cls, amqptype)
        type_names
        widen(self)
    """,
    "DataException": "",
    "Delivery": """
        ACCEPTED = 36
        MODIFIED = 39
        RECEIVED = 35
        REJECTED = 37
        RELEASED = 38
        abort(self)
        aborted
        connection
        link
        local_state
        partial
        pending
        readable
        remote_state
        session
        settle(self)
        settled
        tag
        transport
        update(self, state)
        updated
        work_next
        static wrap(impl)
        writable
    """,
    "Described": "",
    "Disposition": """
        ACCEPTED = 36
        MODIFIED = 39
        RECEIVED = 35
        REJECTED = 37
        RELEASED = 38
        annotations rw
        condition rw
        data rw
        failed rw
        section_number rw
        section_offset rw
        type
        undeliverable rw
    """,
    "Endpoint": """
        LOCAL_ACTIVE = 2
        LOCAL_CLOSED = 4
        LOCAL_UNINIT = 1
        REMOTE_ACTIVE = 16
        REMOTE_CLOSED = 32
        REMOTE_UNINIT = 8
        handler rw
        remote_condition
    """,
    "Event": """
        CONNECTION_BOUND = EventType(name=PN_CONNECTION_BOUND, number=6)
        CONNECTION_FINAL = EventType(name=PN_CONNECTION_FINAL, number=12)
        CONNECTION_INIT = EventType(name=PN_CONNECTION_INIT, number=5)
        CONNECTION_LOCAL_CLOSE = EventType(name=PN_CONNECTION_LOCAL_CLOSE, number=10)
        CONNECTION_LOCAL_OPEN = EventType(name=PN_CONNECTION_LOCAL_OPEN, number=8)
        CONNECTION_REMOTE_CLOSE = EventType(name=PN_CONNECTION_REMOTE_CLOSE, number=11)
        CONNECTION_REMOTE_OPEN = EventType(name=PN_CONNECTION_REMOTE_OPEN, number=9)
        CONNECTION_UNBOUND = EventType(name=PN_CONNECTION_UNBOUND, number=7)
        DELIVERY = EventType(name=PN_DELIVERY, number=28)
        LINK_FINAL = EventType(name=PN_LINK_FINAL, number=27)
        LINK_FLOW = EventType(name=PN_LINK_FLOW, number=26)
        LINK_INIT = EventType(name=PN_LINK_INIT, number=19)
        LINK_LOCAL_CLOSE = EventType(name=PN_LINK_LOCAL_CLOSE, number=22)
        LINK_LOCAL_DETACH = EventType(name=PN_LINK_LOCAL_DETACH, number=24)
        LINK_LOCAL_OPEN = EventType(name=PN_LINK_LOCAL_OPEN, number=20)
        LINK_REMOTE_CLOSE = EventType(name=PN_LINK_REMOTE_CLOSE, number=23)
        LINK_REMOTE_DETACH = EventType(name=PN_LINK_REMOTE_DETACH, number=25)
        LINK_REMOTE_OPEN = EventType(name=PN_LINK_REMOTE_OPEN, number=21)
        REACTOR_FINAL = EventType(name=reactor_final, number=10002)
        REACTOR_INIT = EventType(name=reactor_init, number=10000)
        REACTOR_QUIESCED = EventType(name=reactor_quiesced, number=10001)
        SELECTABLE_ERROR = EventType(name=selectable_error, number=10008)
        SELECTABLE_EXPIRED = EventType(name=selectable_expired, number=10007)
        SELECTABLE_FINAL = EventType(name=selectable_final, number=10009)
        SELECTABLE_INIT = EventType(name=selectable_init, number=10003)
        SELECTABLE_READABLE = EventType(name=selectable_readable, number=10005)
        SELECTABLE_UPDATED = EventType(name=selectable_updated, number=10004)
        SELECTABLE_WRITABLE = EventType(name=selectable_writable, number=10006)
        SESSION_FINAL = EventType(name=PN_SESSION_FINAL, number=18)
        SESSION_INIT = EventType(name=PN_SESSION_INIT, number=13)
        SESSION_LOCAL_CLOSE = EventType(name=PN_SESSION_LOCAL_CLOSE, number=16)
        SESSION_LOCAL_OPEN = EventType(name=PN_SESSION_LOCAL_OPEN, number=14)
        SESSION_REMOTE_CLOSE = EventType(name=PN_SESSION_REMOTE_CLOSE, number=17)
        SESSION_REMOTE_OPEN = EventType(name=PN_SESSION_REMOTE_OPEN, number=15)
        TIMER_TASK = EventType(name=PN_TIMER_TASK, number=4)
        TRANSPORT = EventType(name=PN_TRANSPORT, number=29)
        TRANSPORT_CLOSED = EventType(name=PN_TRANSPORT_CLOSED, number=34)
        TRANSPORT_ERROR = EventType(name=PN_TRANSPORT_ERROR, number=31)
        TRANSPORT_HEAD_CLOSED = EventType(name=PN_TRANSPORT_HEAD_CLOSED, number=32)
        TRANSPORT_TAIL_CLOSED = EventType(name=PN_TRANSPORT_TAIL_CLOSED, number=33)
        clazz
        connection
        container
        context
        delivery
        dispatch(self, handler, type=None)
        handler
        link
        reactor
        receiver
        sender
        session
        transport
        type
        static wrap(impl)
    """,
    "EventType": """
        method
        name
        number
    """,
    "Handler": """
        add(self, handler, on_error=None)
        handlers
        on_unhandled(self, method, *args)
    """,
    "Interrupt": "",
    "Link": """
        RCV_FIRST = 0
        RCV_SECOND = 1
        SND_MIXED = 2
        SND_SETTLED = 1
        SND_UNSETTLED = 0
        advance(self)
        available
        close(self)
        connection
        credit
        current
        delivery(self, tag)
        detach(self)
        drain_mode rw
        drained(self)
        free(self)
        is_receiver
        is_sender
        max_message_size rw
        name
        next(self, mask)
        open(self)
        properties rw
        queued
        rcv_settle_mode rw
        remote_max_message_size
        remote_properties
        remote_rcv_settle_mode
        remote_snd_settle_mode
        remote_source
        remote_target
        session
        snd_settle_mode rw
        source
        state
        target
        transport
        unsettled
        static wrap(impl)
    """,
    "LinkException": "",
    "Message": """
        DEFAULT_PRIORITY = 4
        address rw
        annotations rw
        clear(self)
        content_encoding rw
        content_type rw
        correlation_id rw
        creation_time rw
        decode(self, data)
        delivery_count rw
        durable rw
        encode(self)
        expiry_time rw
        first_acquirer rw
        group_id rw
        group_sequence rw
        id rw
        inferred rw
        instructions rw
        priority rw
        recv(self, link)
        reply_to rw
        reply_to_group_id rw
        send(self, sender, tag=None)
        subject rw
        ttl rw
        user_id rw
    """,
    "MessageException": "",
    "PropertyDict": """
        update(self, e=None, **kwargs)
    """,
    "ProtonException": "",
    "Receiver": """
        drain(self, n)
        draining(self)
        flow(self, n)
        recv(self, limit)
    """,
    "SSLException": "",
    "SSLUnavailable": "",
    "Sender": """
        delivery_tag(self)
        offered(self, n)
        send(self, obj, tag=None)
        stream(self, data)
    """,
    "Session": """
        close(self)
        connection
        free(self)
        incoming_bytes
        incoming_capacity rw
        next(self, mask)
        open(self)
        outgoing_bytes
        outgoing_window rw
        receiver(self, name)
        sender(self, name)
        state
        transport
        static wrap(impl)
    """,
    "SessionException": "",
    "SymbolList": """
        append(self, v)
        extend(self, t)
        insert(self, i, v)
        to_array(self)
    """,
    "Terminus": """
        CONFIGURATION = 1
        COORDINATOR = 3
        DELIVERIES = 2
        DIST_MODE_COPY = 1
        DIST_MODE_MOVE = 2
        DIST_MODE_UNSPECIFIED = 0
        EXPIRE_NEVER = 3
        EXPIRE_WITH_CONNECTION = 2
        EXPIRE_WITH_LINK = 0
        EXPIRE_WITH_SESSION = 1
        NONDURABLE = 0
        SOURCE = 1
        TARGET = 2
        UNSPECIFIED = 0
        address rw
        capabilities
        copy(self, src)
        distribution_mode rw
        durability rw
        dynamic rw
        expiry_policy rw
        filter
        outcomes
        properties
        timeout rw
        type rw
    """,
    "Timeout": "",
    "Transport": """
        CLIENT = 1
        SERVER = 2
        TRACE_DRV = 4
        TRACE_FRM = 2
        TRACE_OFF = 0
        TRACE_RAW = 1
        authenticated
        bind(self, connection)
        bind_nothrow(self, connection)
        capacity(self)
        channel_max rw
        close_head(self)
        close_tail(self)
        closed
        condition rw
        connection
        encrypted
        frames_input
        frames_output
        idle_timeout rw
        log(self, message)
        max_frame_size rw
        peek(self, size)
        pending(self)
        pop(self, size)
        push(self, binary)
        remote_channel_max
        remote_idle_timeout
        remote_max_frame_size
        require_auth(self, bool)
        require_encryption(self, bool)
        sasl(self)
        ssl(self, domain=None, session_details=None)
        tick(self, now)
        trace(self, n)
        tracer rw
        unbind(self)
        user
        static wrap(impl)
    """,
    "TransportException": "",
    "Url": """
        AMQP = 'amqp'
        AMQPS = 'amqps'
        class Port
        defaults(self)
        host rw
        path rw
        port rw
    """,
    "byte": "",
    "char": "",
    "decimal128": "",
    "decimal32": "",
    "decimal64": "",
    "float32": "",
    "int32": "",
    "short": "",
    "symbol": "",
    "timestamp": "",
    "ubyte": "",
    "uint": "",
    "ulong": "",
    "ushort": "",
}

#: what later releases have added
ADDITIONS = {
    "Connection": """
        sessions(self, mask=0)
        links(self, mask=0)
    """,
    "Link": """
        unsettled_head
        unsettled_deliveries
    """,
    "Delivery": """
        update(self, state=None)
        unsettled_next
        local rw
        remote
        tag_bytes
        work_next
    """,
    "Disposition": """
        DECLARED = 51
        TRANSACTIONAL_STATE = 52
        apply_to(self, local)
    """,
    "DispositionType": """
        EMPTY = 0
        RECEIVED = 35
        ACCEPTED = 36
        REJECTED = 37
        RELEASED = 38
        MODIFIED = 39
        TRANSACTION_DECLARED = 51
        TRANSACTIONAL_STATE = 52
    """,
    "Transport": """
        max_buffered_delivery_bytes rw
    """,
}

#: what can be made by programs, and how
CONSTRUCTORS = {
    "SSL": "(transport, domain, session_details=None)",
    "SSLDomain": "(mode)",
    "SSLSessionDetails": "(session_id)",
    "AnnotationDict": "(e=None, raise_on_error=True, **kwargs)",
    "Array": "(descriptor, type, *elements)",
    "Collector": "()",
    "Condition": "(name, description=None, info=None)",
    "Connection": "()",
    "CustomDisposition": "(type, data=None)",
    "Data": "(capacity=16)",
    "DeclaredDisposition": "(id)",
    "Described": "(descriptor, value)",
    "EventType": "(name=None, number=None, method=None)",
    "Handler": "()",
    "Message": "(body=None, **kwargs)",
    "ModifiedDisposition": "(failed=True, undeliverable=None, annotations=None)",
    "PropertyDict": "(e=None, raise_on_error=True, **kwargs)",
    "ReceivedDisposition": "(section_number=None, section_offset=None)",
    "RejectedDisposition": "(condition=None)",
    "SASL": "(transport)",
    "SymbolList": "(t=None, raise_on_error=True)",
    "TransactionalDisposition": "(id, outcome=None)",
    "Transport": "(mode=None)",
    "Url": "(url=None, defaults=True, **kwargs)",
}

BASES = {
    "AnnotationDict": "dict",
    "Connection": "Endpoint",
    "ConnectionException": "ProtonException",
    "CustomDisposition": "Disposition",
    "DataException": "ProtonException",
    "DeclaredDisposition": "Disposition",
    "Interrupt": "ProtonException",
    "Link": "Endpoint",
    "LinkException": "ProtonException",
    "MessageException": "ProtonException",
    "ModifiedDisposition": "Disposition",
    "PropertyDict": "dict",
    "ProtonException": "Exception",
    "ReceivedDisposition": "Disposition",
    "Receiver": "Link",
    "RejectedDisposition": "Disposition",
    "SSLException": "TransportException",
    "SSLUnavailable": "SSLException",
    "Sender": "Link",
    "Session": "Endpoint",
    "SessionException": "ProtonException",
    "SymbolList": "list",
    "Timeout": "ProtonException",
    "TransactionalDisposition": "Disposition",
    "TransportException": "ProtonException",
    "byte": "int",
    "char": "str",
    "decimal128": "bytes",
    "decimal32": "int",
    "decimal64": "int",
    "float32": "float",
    "int32": "int",
    "short": "int",
    "symbol": "str",
    "timestamp": "int",
    "ubyte": "int",
    "uint": "int",
    "ulong": "int",
    "ushort": "int",
}

MODULE = {
    "API_LANGUAGE": str,
    "IMPLEMENTATION_LANGUAGE": str,
    "VERSION": tuple,
    "VERSION_MAJOR": int,
    "VERSION_MINOR": int,
    "VERSION_POINT": int,
    "UNDESCRIBED": object,
    "handler": object,
    "log": object,
}

#: what is ours alone, and why
OURS = {
    "BodyReader": "reads a large body as it comes",
    "Credentials": "whom a server lets in",
    "SASLException": "of 0.41, beside SSLException",
    "ScramVerifier": "what a server keeps in place of a password",
    "DecodeLimits": "bounds on what received values may cost, set on the transport",
}
