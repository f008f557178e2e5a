"""Containers made, and dropped without having run; the first one of a process is not counted."""

import time

from common import print_result
from proton.reactor import Container

COUNT = 200


def main():
    Container()
    started = time.process_time()
    for _ in range(COUNT):
        Container()
    print_result(cpu=(time.process_time() - started) / COUNT)


if __name__ == "__main__":
    main()
