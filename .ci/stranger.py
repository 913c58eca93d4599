"""A client that knows nothing of Tumar but its address and certificate: public gRPC packages, no generated code.

Lists the services by reflection, asks for their health, and calls VerifySubject without a token: that must be refused in
the form that docs/reasons.md promises. Usage: stranger.py HOST:PORT CERTIFICATE
"""

import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

SERVICE = "tumar.v1.MatchingService"
address, certificate = sys.argv[1:]


def expect(condition, text):
    if not condition:
        sys.exit(f"stranger: {text}")


credentials = grpc.ssl_channel_credentials(open(certificate, "rb").read())
with grpc.secure_channel(address, credentials) as channel:
    grpc.channel_ready_future(channel).result(timeout=20)

    database = ProtoReflectionDescriptorDatabase(channel)
    services = list(database.get_services())
    print("services:", ", ".join(sorted(services)))
    expect(SERVICE in services, f"{SERVICE} is not listed")

    # What the nodes say to each other is for nobody else.
    try:
        database.FindFileContainingSymbol("tumar.peer.v1.PeerService")
        sys.exit("stranger: tumar.peer.v1 is described")
    except grpc.RpcError as error:
        expect(error.code() == grpc.StatusCode.NOT_FOUND, f"tumar.peer.v1: {error.code()}")
        print("tumar.peer.v1: not described")

    health = health_pb2_grpc.HealthStub(channel)
    status = health.Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=10).status
    print("health:", health_pb2.HealthCheckResponse.ServingStatus.Name(status))
    expect(status == health_pb2.HealthCheckResponse.SERVING, "the service is not serving")

    pool = descriptor_pool.DescriptorPool(database)
    method = pool.FindServiceByName(SERVICE).FindMethodByName("VerifySubject")
    request_type = message_factory.GetMessageClass(method.input_type)
    response_type = message_factory.GetMessageClass(method.output_type)
    call = channel.unary_unary(
        f"/{SERVICE}/VerifySubject",
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString,
    )
    request = request_type(
        request_id="7d444840-9dc0-4d2b-b5f5-1c3b8e0a5a11",
        gallery="banks/b17/customers",
        subject="c-0042",
        purpose="cash_withdrawal",
    )
    try:
        call(request, timeout=10)
        sys.exit("stranger: a call without a token was answered")
    except grpc.RpcError as error:
        expect(error.code() == grpc.StatusCode.UNAUTHENTICATED, f"refused as {error.code()}")
        rich = rpc_status.from_call(error)
        expect(rich is not None and rich.details, "the refusal has no details")
        info = error_details_pb2.ErrorInfo()
        expect(rich.details[0].Unpack(info), "the refusal has no ErrorInfo")
        print(f"without a token: {error.code().name}, {info.reason} of {info.domain}, node {info.metadata['node']}")
        expect((info.reason, info.domain) == ("TOKEN_ABSENT", "tumar.v1"), "another reason than TOKEN_ABSENT")
