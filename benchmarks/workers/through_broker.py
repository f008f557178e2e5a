"""Messages through RabbitMQ 4 by asyncio programs: `asyncio-send` and `asyncio-receive` of `proton.asyncio`, AMQP 1.0;
`pika-send` and `pika-receive` of aio-pika, AMQP 0-9-1.

Both publish persistent messages with confirms, as fast as each API allows, and settle each message that they consume.
"""

import argparse
import asyncio

from common import Clock, print_result

BODY = b"x" * 100
#: confirms that aio-pika awaits at once: more of them make it slower
AT_ONCE = 500


async def asyncio_send(options):
    from proton import Message
    from proton.asyncio import connect

    async with connect(f"amqp://guest:guest@127.0.0.1:{options.port}") as connection:
        sender = await connection.sender(f"/queues/{options.queue}")
        clock = Clock()
        for number in range(options.messages):
            await sender.send_soon(Message(id=number, body=BODY, durable=True, inferred=True))
        await sender.flush()
        print_result(**clock.read())


async def asyncio_receive(options):
    from proton.asyncio import connect

    async with connect(f"amqp://guest:guest@127.0.0.1:{options.port}") as connection:
        receiver = await connection.receiver(f"/queues/{options.queue}", prefetch=options.prefetch)
        clock = Clock()
        count = 0
        async for _, delivery in receiver:
            delivery.accept()
            count += 1
            if count == options.messages:
                print_result(**clock.read())
                return


async def pika_send(options):
    import aio_pika

    async with await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{options.port}/") as connection:
        channel = await connection.channel(publisher_confirms=True)

        def publish(number):
            message = aio_pika.Message(BODY, message_id=str(number), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            return channel.default_exchange.publish(message, routing_key=options.queue)

        clock = Clock()
        for start in range(0, options.messages, AT_ONCE):
            numbers = range(start, min(start + AT_ONCE, options.messages))
            await asyncio.gather(*(publish(number) for number in numbers))
        print_result(**clock.read())


async def pika_receive(options):
    import aio_pika

    async with await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{options.port}/") as connection:
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
    "asyncio-send": asyncio_send,
    "asyncio-receive": asyncio_receive,
    "pika-send": pika_send,
    "pika-receive": pika_receive,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--queue", required=True)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--prefetch", type=int, default=500)
    options = parser.parse_args()
    asyncio.run(ROLES[options.role](options))
