#!/usr/local/bin/capwrap python3 -I
"""Pings a host three times. May send raw packets, and nothing more.

Install, as root, in this directory:

    install ping.py /usr/local/bin/ping.py
    setcap cap_net_raw=i /usr/local/bin/ping.py

Run, as any user:

    /usr/local/bin/ping.py 127.0.0.1
"""

import os
import socket
import struct
import sys
import time

ECHO_REPLY, ECHO_REQUEST = 0, 8


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def packet(number: int, token: bytes) -> bytes:
    """An echo request: the token tells its reply from the replies to others."""
    blank = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, os.getpid() & 0xFFFF, number) + token
    return blank[:2] + struct.pack("!H", checksum(blank)) + blank[4:]


def ping(sock: socket.socket, address: str, number: int) -> bool:
    token = os.urandom(16)
    start = time.monotonic()
    sock.sendto(packet(number, token), (address, 0))
    while (left := start + 1 - time.monotonic()) > 0:
        sock.settimeout(left)
        try:
            data, (sender, _) = sock.recvfrom(1024)
        except TimeoutError:
            break
        reply = data[(data[0] & 15) * 4:]
        if reply[:1] == bytes([ECHO_REPLY]) and reply[8:] == token:
            print(f"{sender} replies to {number} in {(time.monotonic() - start) * 1000:.2f} ms")
            return True
    print(f"no reply to {number}")
    return False


if len(sys.argv) != 2:
    sys.exit("usage: ping.py HOST")
try:
    address = socket.gethostbyname(sys.argv[1])
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        replies = []
        for number in range(3):
            time.sleep(0.2 if number else 0)  # as fast as ping lets a user
            replies.append(ping(sock, address, number))
except (OSError, UnicodeError) as error:
    sys.exit(f"ping.py: {sys.argv[1]!a}: {error}")
sys.exit(not any(replies))
