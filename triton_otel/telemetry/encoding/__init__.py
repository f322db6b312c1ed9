"""OTLP's bytes of finished spans, written directly.

The stock exporters build a protobuf message of Python objects for each span and have it serialised, which takes more of
the interpreter than making the span did.  Here the bytes are written from the span itself, and what is the same in span
after span (names, most attributes, resource and scope) is kept as bytes.  Transport, retries, TLS and compression stay
the stock exporters': :func:`triton_otel.telemetry.encoding.seam.quicken` gives such an exporter this encoder.
"""
