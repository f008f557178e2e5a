// A client by rhea: `node client.js PORT ROLE`. Roles: send (one message of each kind), receive N, ask N, bulk N BYTES.
'use strict';
const rhea = require('rhea');
const types = rhea.types;
const [port, role, count, size] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4]), Number(process.argv[5])];
rhea.options.receiver_options = {autoaccept: true};

const BODIES = [
    null, true, false,
    types.wrap_ubyte(200), types.wrap_ushort(60000), types.wrap_uint(4000000000), types.wrap_ulong(7),
    types.wrap_byte(-100), types.wrap_short(-30000), types.wrap_int(-2000000000), types.wrap_long(-5),
    types.wrap_float(1.5), types.wrap_double(2.25), types.wrap_timestamp(1600000000500),
    types.wrap_uuid(Buffer.from('00112233445566778899aabbccddeeff', 'hex')),
    types.wrap_binary(Buffer.from([0, 1, 255])), types.wrap_string('é€'), types.wrap_symbol('symbol'),
    types.wrap_list([types.wrap_int(1), 'two', types.wrap_list([true])]),
    types.wrap_map({one: types.wrap_int(1), two: 'zwei'}),
    types.wrap_array([types.wrap_int(1), types.wrap_int(2)].map((v) => v.value), 0x71),
    rhea.message.data_section(Buffer.from('some data')),
    rhea.message.sequence_section([types.wrap_int(1), 'two']),
];

const connection = rhea.connect({host: '127.0.0.1', port: port, reconnect: false});
const roles = {
    send() {
        const sender = connection.open_sender('kinds');
        let answered = 0;
        sender.once('sendable', () => BODIES.forEach((body, n) => sender.send({message_id: types.wrap_ulong(n), body: body})));
        sender.on('accepted', () => { if (++answered === BODIES.length) finish(); });
    },
    receive() {
        const receiver = connection.open_receiver({source: 'kinds', credit_window: 20});
        let received = 0;
        receiver.on('message', (context) => {
            console.log(JSON.stringify(shown(context.message)));
            if (++received === count) finish();
        });
    },
    ask() {
        const sender = connection.open_sender('requests');
        const receiver = connection.open_receiver({source: {dynamic: true}});
        let asked = 0;
        const ask = () => sender.send({reply_to: receiver.source.address, correlation_id: types.wrap_ulong(asked), body: `request ${asked}`});
        receiver.on('receiver_open', ask);
        receiver.on('message', (context) => {
            console.log(`${context.message.correlation_id} ${context.message.body}`);
            if (++asked === count) return finish();
            ask();
        });
    },
    bulk() {
        const sender = connection.open_sender('bulk');
        let sent = 0, answered = 0;
        sender.on('sendable', () => {
            while (sender.sendable() && sent < count) sender.send({message_id: types.wrap_ulong(sent++), body: rhea.message.data_section(Buffer.alloc(size, 'x'))});
        });
        sender.on('accepted', () => { if (++answered === count) finish(); });
    },
};

function shown(message) {
    const body = Buffer.isBuffer(message.body) ? {binary: message.body.toString('hex')} : message.body;
    return {id: String(message.message_id), subject: message.subject, body: body};
}

function finish() {
    console.log('done');
    connection.close();
}

connection.on('connection_open', () => roles[role]());
rhea.on('disconnected', (context) => { console.error(`disconnected ${context.error}`); process.exit(1); });
rhea.on('connection_error', (context) => console.error(`connection error ${context.connection.error}`));
rhea.on('session_error', (context) => console.error(`session error ${context.session.error}`));
