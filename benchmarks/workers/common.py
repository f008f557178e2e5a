"""What every benchmark worker shares: the clock, the line that says ready, the line that is the result.

Workers run on either engine, so only the API they share is used, and nothing is imported from beside this folder.
"""

import gc
import json
import os
import time

from proton.handlers import MessagingHandler
from proton.reactor import Container


class Clock:
    """Wall and CPU seconds of this process since `start`."""

    def __init__(self):
        self.start()

    def start(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self):
        return {"seconds": time.perf_counter() - self.wall, "cpu": time.process_time() - self.cpu}


class Worker(MessagingHandler):
    """A program with one result. A listening one says `ready`, so that its peer is not started too early."""

    def __init__(self, options, **settings):
        super().__init__(**settings)
        self.options = options
        scheme = "amqps" if getattr(options, "tls", None) else "amqp"  # not every worker has TLS
        self.url = f"{scheme}://127.0.0.1:{options.port}/benchmark"
        self.clock = Clock()
        self.acceptor = None

    def listen(self, container):
        self.acceptor = container.listen(self.url)
        print("ready", flush=True)

    def on_transport_error(self, event):
        raise RuntimeError(f"transport error: {event.transport.condition}")


def add_tls(parser):
    parser.add_argument("--tls", metavar="FOLDER", help="with TLS; cert.pem and key.pem are there")


def container(worker):
    """A container for a worker, with its TLS settings."""
    made = Container(worker)
    folder = worker.options.tls
    if folder:
        made.ssl.server.set_credentials(f"{folder}/cert.pem", f"{folder}/key.pem", None)
        made.ssl.client.set_trusted_ca_db(f"{folder}/cert.pem")
    return made


def print_result(**numbers):
    print("result " + json.dumps(numbers), flush=True)


def resident_bytes():
    """Memory of this process that is in RAM now; Linux only."""
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def allow_many_files():
    """Raises the soft limit of open files to the hard one: a thousand connections need more than the usual 1024."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
