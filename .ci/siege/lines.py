"""What a stranger's client needs: TLS from a chosen address, HTTP/2 on it, and gRPC calls with a token and a proof."""

import asyncio
import base64
import hashlib
import json
import re
import socket
import ssl
import struct
import time
import uuid

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from cryptography.hazmat.primitives import serialization

# How long a stranger waits for a connection.
PATIENCE = 15
BROKEN = (OSError, EOFError, asyncio.TimeoutError, h2.exceptions.ProtocolError)


def tls(protocol):
    """Believes everybody: a stranger has nothing pinned."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


TLS = {protocol: tls(protocol) for protocol in ("h2", "http/1.1")}


async def connect(address, source, protocol=None, receive=None):
    """A connection from this source address, with TLS where a protocol is named: reader and writer."""
    link = socket.socket()
    try:
        link.setblocking(False)
        if receive:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        link.bind((source, 0))
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_connect(link, address)
            # What is not read stays with the sender.
            limit = receive or 65536
            if protocol is None:
                return await asyncio.open_connection(sock=link, limit=limit)
            return await asyncio.open_connection(sock=link, limit=limit, ssl=TLS[protocol], server_hostname="localhost")
    except BaseException:
        link.close()
        raise


class Line:
    """One HTTP/2 connection, whose answers are read as they come."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False))
        self.answers, self.over, self.moved = {}, False, asyncio.Event()

    @classmethod
    async def open(cls, address, source):
        line = cls(*await connect(address, source, "h2"))
        line.h2.initiate_connection()
        await line.flush()
        line.listening = asyncio.create_task(line.listen())
        return line

    async def listen(self):
        try:
            while not self.over and (data := await self.reader.read(65536)):
                for event in self.h2.receive_data(data):
                    self.on(event)
                await self.flush()
        except BROKEN:
            pass
        finally:
            self.over = True
            self.moved.set()

    def on(self, event):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
            self.answers.setdefault(stream, {}).update(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
            self.answers.setdefault(stream, {})["over"] = "1"
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.over = True
        self.moved.set()

    async def flush(self):
        if self.writer.transport.is_closing():
            raise ConnectionResetError("the node has hung up")
        if data := self.h2.data_to_send():
            self.writer.write(data)
            await self.writer.drain()

    def begin(self, path, metadata, end=False):
        """Opens a stream for a gRPC call."""
        stream = self.h2.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
        headers += [("content-type", "application/grpc"), ("te", "trailers"), *metadata]
        self.h2.send_headers(stream, headers, end_stream=end)
        return stream

    def is_over(self, stream):
        return self.over or "over" in self.answers.get(stream, ())

    async def wait(self, seconds):
        """For the next thing that happens, or for so long: whether something did."""
        self.moved.clear()
        try:
            async with asyncio.timeout(seconds):
                return await self.moved.wait()
        except TimeoutError:
            return False

    async def send(self, stream, data, end=False):
        """A body, as the other side lets it through, until that wants no more: how many bytes that were."""
        sent = 0
        while sent < len(data) and not self.is_over(stream):
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(data) - sent)
            if room <= 0:
                await self.wait(PATIENCE)
                continue
            self.h2.send_data(stream, data[sent : sent + room], end_stream=end and sent + room == len(data))
            sent += room
            await self.flush()
        return sent

    async def call(self, path, message, metadata, seconds=PATIENCE):
        """A call to its end: the reason of its refusal, `OK`, or what became of it."""
        stream = self.begin(path, metadata)
        await self.send(stream, struct.pack(">BI", 0, len(message)) + message, end=True)
        until = time.monotonic() + seconds
        while not self.is_over(stream) and time.monotonic() < until:
            await self.wait(until - time.monotonic())
        return reason_of(self.answers.pop(stream, {}))

    def close(self):
        self.over = True
        self.listening.cancel()
        self.writer.transport.abort()


def reason_of(answer):
    """The stable reason code in a gRPC answer's trailers."""
    status, details = answer.get("grpc-status"), answer.get("grpc-status-details-bin")
    if status == "0":
        return "OK"
    if details:
        # The first field of ErrorInfo.
        packed = base64.b64decode(details + "=" * (-len(details) % 4))
        found = re.search(rb"ErrorInfo\x12.{1,2}\n.([A-Z][A-Z_]+)", packed, re.DOTALL)
        return found.group(1).decode() if found else f"STATUS_{status}"
    return f"STATUS_{status}" if status else "NO_ANSWER"


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def message(*texts):
    """A protobuf message whose fields, numbered from 1, are short texts."""
    fields = (bytes([number << 3 | 2, len(text)]) + text.encode() for number, text in enumerate(texts, 1))
    return b"".join(fields)


class Client:
    """Asks to lock a person, with any token, and a genuine proof by its own key (docs/DESIGN.md, *Request digest*)."""

    PATH = "/tumar.v1.MatchingService/LockSubject"

    def __init__(self, key, base, client, gallery, subject, purpose="subject_lock"):
        with open(key, "rb") as file:
            data = file.read()
        read = serialization.load_pem_private_key if data.startswith(b"-----") else serialization.load_der_private_key
        self.key, self.base, self.client = read(data, None), base, client
        self.gallery, self.subject, self.purpose = gallery, subject, purpose

    def ask(self, token):
        """Message and metadata of a new request."""
        request = uuid.uuid4()
        fields = [b"tumar request v2", self.PATH.encode(), self.client.encode(), request.bytes, self.gallery.encode()]
        fields += [self.subject.encode(), self.purpose.encode(), bytes(8), bytes(4), bytes(8)]
        transcript = hashlib.sha256(b"".join(struct.pack(">Q", len(field)) + field for field in fields)).digest()
        metadata = [("authorization", f"DPoP {token}"), ("dpop", self.proof(token, transcript))]
        return message(str(request), self.gallery, self.subject, self.purpose, self.client), metadata

    def proof(self, token, transcript):
        public = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        head = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": encoded(public)}}
        body = {
            "htm": "POST",
            "htu": self.base + self.PATH,
            "iat": int(time.time()),
            "jti": str(uuid.uuid4()),
            "ath": encoded(hashlib.sha256(token.encode()).digest()),
            "rqh": encoded(transcript),
        }
        text = ".".join(encoded(json.dumps(part).encode()) for part in (head, body))
        return f"{text}.{encoded(self.key.sign(text.encode()))}"
