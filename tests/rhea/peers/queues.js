// A server of queues by rhea: `node queues.js [plain]` prints `listening PORT`. The subject of a message says what becomes
// of it: reject, release, modify, request (answered in capitals, to its reply_to), drop (the connection); else it is kept.
'use strict';
const rhea = require('rhea');
const queues = new Map();
const senders = new Map();
let made = 0;

if (process.argv[2] === 'plain') {
    rhea.sasl_server_mechanisms.enable_plain((user, password) => user === 'user' && password === 'password');
} else {
    rhea.sasl_server_mechanisms.enable_anonymous();
}

function queue(address) {
    if (!queues.has(address)) queues.set(address, []);
    return queues.get(address);
}

function hand_out(address) {
    const waiting = queue(address);
    for (const sender of senders.get(address) || []) {
        while (waiting.length && sender.sendable()) sender.send(waiting.shift());
    }
}

rhea.on('sender_open', (context) => {
    const sender = context.sender;
    let address = sender.source && sender.source.address;
    if (sender.source && sender.source.dynamic) address = `dynamic-${++made}`;
    sender.set_source({address: address});
    if (!senders.has(address)) senders.set(address, []);
    senders.get(address).push(sender);
    sender.queue_address = address;
    hand_out(address);
});

rhea.on('sendable', (context) => hand_out(context.sender.queue_address));
rhea.on('sender_draining', (context) => context.sender.set_drained(true));

function forget(connection) {
    for (const [address, links] of senders) senders.set(address, links.filter((link) => link.connection !== connection));
}
rhea.on('disconnected', (context) => forget(context.connection));
rhea.on('connection_close', (context) => forget(context.connection));
rhea.on('sender_close', (context) => {
    const links = senders.get(context.sender.queue_address);
    if (links) senders.set(context.sender.queue_address, links.filter((link) => link !== context.sender));
});

rhea.on('receiver_open', (context) => {
    const target = context.receiver.target;
    context.receiver.set_target({address: target && target.address});
});

rhea.on('message', (context) => {
    const message = context.message;
    const target = context.receiver.target && context.receiver.target.address;
    switch (message.subject) {
    case 'reject':
        return context.delivery.reject({condition: 'x:rejected', description: 'not wanted'});
    case 'release':
        return context.delivery.release();
    case 'modify':
        return context.delivery.modified({delivery_failed: true, undeliverable_here: true});
    case 'drop':
        return context.connection.socket.destroy();
    case 'request':
        context.delivery.accept();
        queue(message.reply_to).push({correlation_id: message.correlation_id, body: message.body.toUpperCase()});
        return hand_out(message.reply_to);
    }
    context.delivery.accept();
    queue(message.to || target).push(message);
    hand_out(message.to || target);
});

const server = rhea.listen({host: '127.0.0.1', port: 0, noDelay: true, receiver_options: {autoaccept: false}});
server.on('listening', () => {
    server.on('connection', (socket) => socket.setNoDelay(true));
    console.log(`listening ${server.address().port}`);
});
