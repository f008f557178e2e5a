"""Messages through RabbitMQ 4: `callbacks-publish` and `callbacks-consume` by a container, `asyncio-...` by
`proton.asyncio`, both AMQP 1.0; `pika-publish` and `pika-consume` by aio-pika, AMQP 0-9-1.

All publish persistent messages with confirms, as fast as each API allows, and settle each message that they consume.
"""

import argparse
import asyncio

from common import Clock, Worker, print_result
from proton import Message
from proton.reactor import Container

BODY = b"x" * 100
#: confirms that aio-pika awaits at once: more of them make it slower
AT_ONCE = 500


def message(number):
    return Message(id=number, body=BODY, durable=True, inferred=True)


class Callbacks(Worker):
    def connect(self, container):
        container.allow_insecure_mechs = True
        return container.connect(self.options.url, reconnect=False)


class Publish(Callbacks):
    def __init__(self, options):
        super().__init__(options)
        self.sent = self.accepted = 0

    def on_start(self, event):
        event.container.create_sender(self.connect(event.container), f"/queues/{self.options.queue}")

    def on_sendable(self, event):
        if self.sent == 0:
            self.clock.start()
        while event.sender.credit > 0 and self.sent < self.options.messages:
            self.sent += 1
            event.sender.send(message(self.sent))

    def on_accepted(self, event):
        self.accepted += 1
        if self.accepted == self.options.messages:
            print_result(**self.clock.read())
            event.connection.close()


class Consume(Callbacks):
    def __init__(self, options):
        super().__init__(options, prefetch=options.prefetch)
        self.count = 0

    def on_start(self, event):
        event.container.create_receiver(self.connect(event.container), f"/queues/{self.options.queue}")

    def on_link_opened(self, event):
        self.clock.start()

    def on_message(self, event):
        self.count += 1
        if self.count == self.options.messages:
            print_result(**self.clock.read())
            event.connection.close()


async def asyncio_publish(options):
    from proton.asyncio import connect

    async with connect(options.url) as connection:
        sender = await connection.sender(f"/queues/{options.queue}")
        clock = Clock()
        for number in range(options.messages):
            await sender.send_soon(message(number))
        await sender.flush()
        print_result(**clock.read())


async def asyncio_consume(options):
    from proton.asyncio import connect

    async with connect(options.url) as connection:
        receiver = await connection.receiver(f"/queues/{options.queue}", prefetch=options.prefetch)
        clock = Clock()
        count = 0
        async for _, delivery in receiver:
            delivery.accept()
            count += 1
            if count == options.messages:
                print_result(**clock.read())
                return


async def pika_publish(options):
    import aio_pika

    async with await aio_pika.connect(f"{options.url}/") as connection:
        channel = await connection.channel(publisher_confirms=True)

        def publish(number):
            message = aio_pika.Message(BODY, message_id=str(number), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            return channel.default_exchange.publish(message, routing_key=options.queue)

        clock = Clock()
        for start in range(0, options.messages, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, options.messages))
            await asyncio.gather(*(publish(number) for number in numbers))
        print_result(**clock.read())


async def pika_consume(options):
    import aio_pika

    async with await aio_pika.connect(f"{options.url}/") as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=options.prefetch)
        queue = await channel.get_queue(options.queue)
        clock = Clock()
        count = 0
        async with queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                count += 1
                if count == options.messages:
                    print_result(**clock.read())
                    return


ROLES = {
    "callbacks-publish": lambda options: Container(Publish(options)).run(),
    "callbacks-consume": lambda options: Container(Consume(options)).run(),
    "asyncio-publish": lambda options: asyncio.run(asyncio_publish(options)),
    "asyncio-consume": lambda options: asyncio.run(asyncio_consume(options)),
    "pika-publish": lambda options: asyncio.run(pika_publish(options)),
    "pika-consume": lambda options: asyncio.run(pika_consume(options)),
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--queue", required=True)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--prefetch", type=int, default=500)
    options = parser.parse_args()
    options.url = f"amqp://guest:guest@127.0.0.1:{options.port}"
    ROLES[options.role](options)
