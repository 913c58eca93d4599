"""One way to attack nodes, for as long as this program runs: attackers.py NAME TARGET.json

Each quarter of a second one line of JSON: what was done so far, and whether the attack has its full strength. Attackers give way to
everybody else on the machine, so what they cost is what they cost the nodes.
"""

import asyncio
import collections
import json
import logging
import os
import random
import resource
import struct
import sys

from lines import BROKEN, Client, Line, connect, reason_of

VERIFY = "/tumar.v1.MatchingService/VerifySubject"
COMMITTEE = "/tumar.v1.MatchingService/GetCommittee"
# The first is the address of the bank whose calls must not suffer.
SOURCES = [f"127.0.0.{place}" for place in range(1, 17)]


class Attack:
    """Counts, and the tasks that count."""

    def __init__(self, target):
        self.target, self.counts, self.wanted, self.tried = target, collections.Counter(), 0, 0
        # So many connections are being opened at a time: more would only wait in here.
        self.gate = asyncio.Semaphore(64)

    async def again(self, once, *arguments, pause=1.0):
        """Does it, and when it is over again."""
        self.wanted += 1
        while True:
            try:
                await once(*arguments)
            except BROKEN as error:
                self.counts[f"failed {type(error).__name__}"] += 1
                self.begun()
            await asyncio.sleep(random.uniform(pause / 2, pause))

    def begun(self):
        """A connection stands, or was refused. All that are wanted: the attack has its full strength."""
        self.tried += 1

    async def tell(self):
        while True:
            print(json.dumps({"ready": self.tried >= self.wanted, "counts": self.counts}), flush=True)
            await asyncio.sleep(0.25)


class Idle(Attack):
    """Connections that come as far as TCP, TLS or HTTP/2, and then say nothing."""

    def start(self):
        ports = [*self.target["public"], *self.target["audit"], *self.target["peer"]]
        leader, many = self.target["public"][0], min(1.0, (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 100) / 4500)
        plan = [("tcp", port, 250) for port in ports] + [("tcp", leader, 750), ("tls", leader, 500), ("h2", leader, 500)]
        plan += [("tls", port, 100) for port in self.target["audit"]]
        for how, port, count in plan:
            for place in range(int(count * many)):
                yield self.again(self.once, how, port, SOURCES[place % len(SOURCES)])

    async def once(self, how, port, source):
        async with self.gate:
            if how == "h2":
                line = await Line.open(("127.0.0.1", port), source)
                until, close = line.listening, line.close
            else:
                reader, writer = await connect(("127.0.0.1", port), source, "http/1.1" if how == "tls" else None)
                until, close = asyncio.create_task(reader.read()), writer.transport.abort
        self.counts["opened"] += 1
        self.counts[f"{how} opened"] += 1
        self.counts["open now"] += 1
        self.begun()
        try:
            await until
        finally:
            close()
            self.counts["open now"] -= 1
            self.counts[f"{how} hung up on"] += 1


class Bodies(Attack):
    """Calls whose body is as large as any call's may be, but for its last byte, without a token or with a forged one: whoever reads a
    body before looking who it is of holds all of them.
    """

    size = 600 * 1024

    def start(self):
        for place in range(8):
            yield self.again(self.once, SOURCES[place], place % 2 == 0)

    async def once(self, source, forged):
        line = await Line.open(("127.0.0.1", self.target["public"][0]), source)
        try:
            self.begun()
            await asyncio.gather(*(self.body(line, forged) for _ in range(100)), return_exceptions=True)
        finally:
            line.close()

    async def body(self, line, forged):
        metadata = [("authorization", f"DPoP {self.target['forged'][0]}"), ("dpop", "a.b.c")] if forged else []
        stream = line.begin(VERIFY, metadata)
        await line.flush()
        self.counts["calls"] += 1
        self.counts["bytes"] += await line.send(stream, struct.pack(">BI", 0, self.size) + bytes(self.size - 1))
        while not line.is_over(stream):
            await line.wait(1)
        self.counts[reason_of(line.answers.get(stream, {}))] += 1


class Slow(Attack):
    """Calls whose body comes byte by byte, a second apart: some need a token, and some are anybody's to make."""

    def start(self):
        for place in range(16):
            yield self.again(self.once, SOURCES[place], COMMITTEE if place % 2 else VERIFY)

    async def once(self, source, call):
        line = await Line.open(("127.0.0.1", self.target["public"][0]), source)
        try:
            streams = [line.begin(call, []) for _ in range(128)]
            await line.flush()
            self.counts["calls"] += len(streams)
            self.begun()
            body = struct.pack(">BI", 0, 4000) + bytes(4000)
            for place in range(len(body)):
                streams = [stream for stream in streams if not line.is_over(stream)]
                if not streams:
                    break
                await asyncio.gather(*(line.send(stream, body[place : place + 1]) for stream in streams), return_exceptions=True)
                self.counts["bytes"] += len(streams)
                await line.wait(1)
                await asyncio.sleep(1)
        finally:
            line.close()


class Resets(Attack):
    """Streams that are reset as soon as they are opened, as many as come through."""

    def start(self):
        for place in range(4):
            yield self.again(self.once, SOURCES[place], pause=0.2)

    async def once(self, source):
        line = await Line.open(("127.0.0.1", self.target["public"][0]), source)
        try:
            self.begun()
            while not line.over:
                for _ in range(100):
                    stream = line.begin(VERIFY, [])
                    line.h2.reset_stream(stream, 8)
                    self.counts["streams"] += 1
                await line.flush()
                line.answers.clear()
                await line.wait(0.02)
            self.counts["connections ended by the node"] += 1
        finally:
            line.close()


class Readers(Attack):
    """Readers of the auditors' port who ask for much, and take hardly anything."""

    def start(self):
        for port in self.target["audit"]:
            for place in range(256):
                yield self.again(self.once, port, SOURCES[place % len(SOURCES)])

    async def once(self, port, source):
        async with self.gate:
            reader, writer = await connect(("127.0.0.1", port), source, "http/1.1", receive=2048)
        try:
            self.counts["opened"] += 1
            self.begun()
            writer.write(b"GET /page/main.js HTTP/1.1\r\nhost: localhost\r\n\r\n" * 64)
            await writer.drain()
            while await reader.read(16):
                await asyncio.sleep(1)
        finally:
            self.counts["cut"] += 1
            writer.transport.abort()


class Tokens(Attack):
    """Calls of one bank with tokens that are forged or spent, and with a genuine proof: the next as soon as one is answered."""

    def start(self):
        for place in range(4):
            yield self.again(self.once, SOURCES[place])

    async def once(self, source):
        line = await Line.open(("127.0.0.1", self.target["public"][0]), source)
        client = Client(*self.target["b19"])
        try:
            self.begun()
            while not line.over:
                token = random.choice(self.target[random.choice(["forged", "spent"])])
                asked, metadata = client.ask(token)
                self.counts[await line.call(client.PATH, asked, metadata)] += 1
        finally:
            line.close()


ATTACKS = {
    "idle connections": Idle,
    "large bodies": Bodies,
    "slow bodies": Slow,
    "reset streams": Resets,
    "slow readers": Readers,
    "forged and spent tokens": Tokens,
}


async def main(name, path):
    with open(path) as file:
        attack = ATTACKS[name](json.load(file))
    tasks = [asyncio.create_task(task) for task in attack.start()]
    await asyncio.gather(attack.tell(), *tasks)


if __name__ == "__main__":
    os.nice(19)
    # Being hung up on is counted here, and no news.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(*sys.argv[1:]))
