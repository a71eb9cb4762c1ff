#!/usr/bin/env python3
"""The agent on a thread of its own, in Python, with nothing to compile: ctypes and libserialnumberd.so.1.

    ./embed_spawn.py xsvr xsvr.serial --mode own --set port=62626 --set state_dir=/tmp/xsvr

It waits for the start-up probe to be over, then tells each new verdict.  SIGINT and SIGTERM end it.
"""

import argparse
import ctypes
import pathlib
import queue
import signal
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_int32, c_int64, c_size_t, c_uint16, c_uint32, c_uint64, c_void_p

OK = 0
EV_STATE = 4  # state, coverage or verdict of a claim changed
NAMES = {0: "probing", 100: "ALLOW", 200: "WARN", 300: "LIMIT", 400: "DENY"}
START_UP_NS = 10_000_000_000  # the probe takes one or two seconds


class Str(ctypes.Structure):
    _fields_ = [("ptr", c_char_p), ("len", c_size_t)]

    def __init__(self, text):
        data = text.encode()
        super().__init__(data, len(data))


class Error(ctypes.Structure):
    _fields_ = [("code", c_int32), ("zero", c_uint32), ("message", c_char * 248)]


# void on_events(void *user, const slnd_event *const *events, size_t n, slnd_decision *out)
EVENTS = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_size_t, c_void_p)


class Config(ctypes.Structure):
    """As serialnumberd.h has it.  A newer library may know more fields: struct_size tells it which ones are here."""

    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32),
        ("port", c_uint16), ("zero16", c_uint16), ("mode", c_uint32),
        ("interfaces", c_char_p), ("announce_ns", c_uint64), ("expire_ns", c_uint64),
        ("events", c_uint64), ("on_events", EVENTS), ("on_log", c_void_p), ("user", c_void_p),
    ]


def load():
    lib = ctypes.CDLL("libserialnumberd.so.1")
    for name, *arguments in (
        ("config_init", POINTER(Config), c_size_t),
        ("agent_new", POINTER(Config), POINTER(c_void_p), POINTER(Error)),
        ("agent_set", c_void_p, c_char_p, c_char_p, POINTER(Error)),
        ("agent_start", c_void_p, POINTER(Error)),
        ("agent_spawn", c_void_p, POINTER(Error)),
        ("agent_claim", c_void_p, Str, Str, c_uint32, POINTER(Error)),
        ("agent_wait", c_void_p, Str, c_uint64),
        ("agent_check", c_void_p, Str, POINTER(c_uint32), c_char_p, c_size_t),
        ("agent_stop", c_void_p),
    ):
        getattr(lib, "slnd_" + name).argtypes = arguments
        getattr(lib, "slnd_" + name).restype = c_int32
    lib.slnd_strerror.argtypes, lib.slnd_strerror.restype = [c_int32], c_char_p
    lib.slnd_agent_free.argtypes, lib.slnd_agent_free.restype = [c_void_p], None
    return lib


class Agent:
    """`with Agent(options) as agent:` runs it on a thread of its own; `changed` is called there."""

    def __init__(self, options, changed):
        self.lib, self.handle = load(), c_void_p()
        self.on_events = EVENTS(lambda *_: changed())  # kept: the library has only its address
        config, error = Config(), Error()
        self.must(self.lib.slnd_config_init(byref(config), ctypes.sizeof(config)))
        config.events, config.on_events = 1 << EV_STATE, self.on_events
        self.must(self.lib.slnd_agent_new(byref(config), byref(self.handle), byref(error)), error)
        for key, value in options:
            self.must(self.lib.slnd_agent_set(self.handle, key.encode(), value.encode(), byref(error)), error)

    def must(self, status, error=None):
        if status != OK:
            raise RuntimeError(((error and error.message) or self.lib.slnd_strerror(status)).decode())

    def __enter__(self):
        error = Error()
        self.must(self.lib.slnd_agent_start(self.handle, byref(error)), error)
        self.must(self.lib.slnd_agent_spawn(self.handle, byref(error)), error)
        return self

    def __exit__(self, *_):
        self.lib.slnd_agent_free(self.handle)  # says goodbye, and joins the thread

    def claim(self, product, serial):
        error = Error()
        self.must(self.lib.slnd_agent_claim(self.handle, Str(product), Str(serial), 1, byref(error)), error)

    def wait(self, product):
        self.must(self.lib.slnd_agent_wait(self.handle, Str(product), START_UP_NS))

    def check(self, product):
        verdict, reason = c_uint32(), ctypes.create_string_buffer(1016)
        self.must(self.lib.slnd_agent_check(self.handle, Str(product), byref(verdict), reason, len(reason)))
        return verdict.value, reason.value.decode()


def key_value(text):
    key, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text}: expected KEY=VALUE")
    return key, value


def main():
    parser = argparse.ArgumentParser(description="Tells whether this host may use a license.")
    parser.add_argument("product")
    parser.add_argument("serial_file", type=pathlib.Path)
    parser.add_argument("--mode", choices=["connect", "own", "auto"])
    parser.add_argument("--set", action="append", default=[], type=key_value, metavar="KEY=VALUE")
    args = parser.parse_args()
    options = args.set + ([("mode", args.mode)] if args.mode else [])

    news = queue.SimpleQueue()  # the one whose put is safe in a signal handler
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: news.put("stop"))
    last = 0
    with Agent(options, lambda: news.put("changed")) as agent:
        agent.claim(args.product, args.serial_file.read_text(encoding="ascii"))
        agent.wait(args.product)
        news.put("changed")
        while news.get() != "stop":
            verdict, reason = agent.check(args.product)
            if verdict != last:
                print(f"{args.product}: {NAMES.get(verdict, verdict)}: {reason}", file=sys.stderr, flush=True)
            last = verdict
    print("embed_spawn: goodbye", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except (OSError, RuntimeError, UnicodeError) as problem:
        sys.exit(f"embed_spawn: {problem}")
