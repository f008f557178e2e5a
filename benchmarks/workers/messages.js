// What messages.py does, by rhea: `node messages.js receive` listens, `node messages.js send` connects. The same message,
// the same credit; NODE_PATH has the folder with rhea.
'use strict';
const rhea = require('rhea');
const options = {};
for (let n = 3; n < process.argv.length; n += 2) options[process.argv[n].slice(2)] = Number(process.argv[n + 1]);
let started, cpu;

function start() {
    started = process.hrtime.bigint();
    cpu = process.cpuUsage();
}

function print_result() {
    const used = process.cpuUsage(cpu);
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    console.log('result ' + JSON.stringify({seconds: seconds, cpu: (used.user + used.system) / 1e6}));
}

if (process.argv[2] === 'receive') {
    let count = 0;
    const server = rhea.listen({
        host: '127.0.0.1', port: options.port, noDelay: true,
        receiver_options: {credit_window: options.prefetch, autoaccept: true},
    });
    server.on('listening', () => console.log('ready'));
    rhea.on('message', () => {
        if (count === 0) start();
        if (++count === options.messages) {
            print_result();
            server.close();
        }
    });
    rhea.on('disconnected', () => process.exit(0));
} else {
    let sent = 0, accepted = 0;
    const connection = rhea.connect({host: '127.0.0.1', port: options.port, reconnect: false, noDelay: true});
    connection.open_sender({target: 'benchmark'});
    rhea.on('sendable', (context) => {
        if (sent === 0) start();
        while (context.sender.sendable() && sent < options.messages) {
            sent++;
            context.sender.send({message_id: sent, body: {sequence: sent, d: 'x'.repeat(100)}});
        }
    });
    rhea.on('accepted', () => {
        if (++accepted === options.messages) {
            print_result();
            connection.close();
        }
    });
}
