"""Attacks that a sandbox is tried with: a program that runs inside, and what to look at outside.

It stands alone and is run by `python -c`. It prints one line for each attack: its name, and
'escaped' or what stopped it.
"""

from __future__ import annotations

ATTACKS = ("write", "connect", "unix socket", "abstract socket", "parent", "git folder")

PROGRAM = """
import os, socket, sys
outside, port, unix, abstract, parent = sys.argv[1:]

def write():
    with open(outside, "w") as file:
        file.write("escaped")

def connect():
    socket.create_connection(("127.0.0.1", int(port)), 5)

def unix_socket():
    socket.socket(socket.AF_UNIX).connect(unix)

def abstract_socket():
    socket.socket(socket.AF_UNIX).connect(chr(0) + abstract)

def look_into_parent():
    number, started = parent.split(":")
    with open("/proc/" + number + "/stat") as file:
        # The same number may be another process in here.
        if file.read().rpartition(")")[2].split()[19] != started:
            raise OSError("another process")
    with open("/proc/" + number + "/environ", "rb") as file:
        if not file.read():
            raise OSError("it is empty")

def git_folder():
    with open(".git/hooks-canary", "w") as file:
        file.write("escaped")

attacks = {"write": write, "connect": connect, "unix socket": unix_socket,
           "abstract socket": abstract_socket, "parent": look_into_parent,
           "git folder": git_folder}
for name, attack in attacks.items():
    try:
        attack()
        print(name + ": escaped")
    except Exception as error:
        print(name + ": " + type(error).__name__)
"""
