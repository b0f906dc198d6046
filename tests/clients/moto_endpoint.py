"""Runs moto's server, an S3 that is not ours, for as long as its standard input is open.

Prints one line, its endpoint, once it answers. Whoever started it needs only to hold the pipe: when that closes, be
it that the test was killed, the server ends too.
"""

import sys

from moto.server import ThreadedMotoServer


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
