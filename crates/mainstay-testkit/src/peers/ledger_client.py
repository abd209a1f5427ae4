# A client of the Ledger API, version 1. Words: a task, a port, the authority of the server's certificate or `-`, and what
# the task needs. Messages are written and read by hand: a handful of fields is all it takes.
import hashlib
import io
import itertools
import os
import sys
import threading
import time
import zipfile

import grpc

LEDGER = "peers"
API = "/com.daml.ledger.api.v1."
PARTY = "Writer"


def number(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def message(*fields):
    """Of pairs of a field's number and its value: bytes, text or a whole number."""
    out = b""
    for at, value in fields:
        if isinstance(value, int):
            out += number(at << 3) + number(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += number(at << 3 | 2) + number(len(value)) + value
    return out


def fields(data, wanted):
    """The values that a message has for a field."""
    at = 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = take()
        if key & 7 == 0:
            value = take()
        else:
            assert key & 7 == 2, key
            length = take()
            value = data[at : at + length]
            at += length
        if key >> 3 == wanted:
            yield value


def say(*words):
    # In one piece: several threads speak.
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


def connect(port, ca):
    # Whatever is tried again is to be Mainstay's doing.
    options = [("grpc.enable_retries", 0), ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    if ca == "-":
        return grpc.insecure_channel(f"ipv4:127.0.0.1:{port}", options)
    # What it shows a server that asks for it lies beside the authority.
    names = [ca, os.path.join(os.path.dirname(ca), "client.key"), os.path.join(os.path.dirname(ca), "client.crt")]
    credentials = grpc.ssl_channel_credentials(*(open(name, "rb").read() for name in names))
    options.append(("grpc.ssl_target_name_override", "localhost"))
    return grpc.secure_channel(f"ipv4:127.0.0.1:{port}", credentials, options)


def call(channel, method, request, within=60):
    return channel.unary_unary(API + method)(request, timeout=within)


def dar():
    """A package of Daml-LF 1.6 with one template, `Test:Dummy`, whose only field and signatory is its operator: the package
    in its archive, and its id."""
    party = message((3, message((1, 8))))
    test, dummy = message((1, "Test")), message((1, "Dummy"))
    own = message((1, message((1, message((1, message((1, b""))), (2, test))), (2, dummy))))
    operator = message((7, message((1, own), (2, "operator"), (3, message((1, "this"))))))
    nobody = message((17, message((1, party))))
    signatories = message((18, message((1, party), (2, operator), (3, nobody))))
    agreement = message((5, message((4, ""))))
    record = message((1, message((1, "operator"), (2, party))))
    data = message((1, dummy), (3, record), (5, 1))
    template = message((1, dummy), (2, "this"), (5, signatories), (6, agreement), (8, nobody))
    flags = message((1, 1), (2, 1), (3, 1))
    module = message((1, test), (4, flags), (5, data), (7, template))
    payload = message((3, "6"), (2, message((1, module))))
    package = hashlib.sha256(payload).hexdigest()
    manifest = "Manifest-Version: 1.0\nMain-Dalf: peers.dalf\nDalfs: peers.dalf\nFormat: Daml-LF\nEncryption: non-encrypted\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", manifest)
        archive.writestr("peers.dalf", message((1, 0), (3, payload), (4, package)))
    return out.getvalue(), package


def prepare(channel):
    """Makes a party, and uploads what there is to do."""
    call(channel, "admin.PartyManagementService/AllocateParty", message((1, PARTY), (2, PARTY)))
    call(channel, "admin.PackageManagementService/UploadDarFile", message((1, dar()[0])))


def allocate(channel, name, within=60):
    # Without a hint each request makes a party of its own: what is done twice is there twice.
    return call(channel, "admin.PartyManagementService/AllocateParty", message((2, name)), within)


def create(channel, name, within=60):
    package = dar()[1]
    template = message((1, package), (3, "Test"), (4, "Dummy"))
    arguments = message((2, message((1, "operator"), (2, message((11, PARTY))))))
    command = message((1, message((1, template), (2, arguments))))
    commands = message((1, LEDGER), (3, "peers"), (4, name), (5, PARTY), (8, command))
    return call(channel, "CommandService/SubmitAndWaitForTransactionId", message((1, commands)), within)


def write(channel, stop, kinds):
    """Writes until there is a file of this name, and says what became of each. `all`: parties and commands in turn."""
    names = (f"{kinds}-{at}" for at in itertools.count())

    taking = threading.Lock()

    def one():
        while not os.path.exists(stop):
            with taking:
                name = next(names)
            try:
                if kinds == "all" and name[-1] in "13579":
                    allocate(channel, name)
                else:
                    create(channel, name)
                say("done", name)
            except grpc.RpcError as error:
                say("failed", name, error.code().name, error.details())

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    say("over")


def warm(channel):
    """Writes until a party and a command get an answer: the first of each may get none after a start."""
    for at in itertools.count():
        try:
            allocate(channel, f"warm-{at}", 5)
            create(channel, f"warm-{time.time_ns()}", 5)
            return
        except grpc.RpcError as error:
            assert at < 10 and error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error


def listed(channel):
    """Says what was written, as often as it is there."""
    parties = call(channel, "admin.PartyManagementService/ListKnownParties", b"")
    for party in fields(parties, 1):
        for name in fields(party, 2):
            say("there", name.decode())
    begin, end = message((2, 0)), message((2, 1))
    everything = message((1, message((1, PARTY), (2, b""))))
    request = message((1, LEDGER), (2, begin), (3, end), (4, everything))
    for answer in channel.unary_stream(API + "TransactionService/GetTransactions")(request, timeout=60):
        for transaction in fields(answer, 1):
            for name in fields(transaction, 2):
                say("there", name.decode())
    say("over")


def watch(channel, count):
    """Opens streams that never end, and says what comes."""

    def one(at):
        stream = channel.unary_stream(API + "LedgerConfigurationService/GetLedgerConfiguration")
        try:
            for _ in stream(message((1, LEDGER))):
                say("told", at)
            say("ended", at, "OK")
        except grpc.RpcError as error:
            say("ended", at, error.code().name, error.details())

    threads = [threading.Thread(target=one, args=[at]) for at in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def change(channel):
    """Changes the configuration, which streams are told."""
    model = call(channel, "admin.ConfigManagementService/GetTimeModel", b"")
    generation, time_model = next(fields(model, 1), 0), next(fields(model, 2))
    until = message((1, int(time.time()) + 30))
    request = message((1, f"change-{time.time_ns()}"), (2, until), (3, generation), (4, time_model))
    call(channel, "admin.ConfigManagementService/SetTimeModel", request)


def main(task, port, ca, *words):
    tasks = {"prepare": prepare, "warm": warm, "write": write, "list": listed, "watch": watch, "change": change}
    with connect(port, ca) as channel:
        tasks[task](channel, *words)


main(*sys.argv[1:])
