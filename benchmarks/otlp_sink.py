"""An OTLP/gRPC receiver that takes everything and looks at nothing, for exporters to export to."""

from __future__ import annotations

import threading
from concurrent import futures
from typing import Any

import grpc

from benchmarks.child import HOST, announce, end_with_the_parent


class Anything(grpc.GenericRpcHandler):
    """Answers every unary call with an empty message, which is OTLP's word for success."""

    def service(self, _details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")


def main() -> None:
    server = grpc.server(
        futures.ThreadPoolExecutor(2), handlers=[Anything()], options=[("grpc.max_receive_message_length", -1)]
    )
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    end_with_the_parent()
    announce({"host": HOST, "port": port})
    threading.Event().wait()


if __name__ == "__main__":
    main()
