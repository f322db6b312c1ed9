"""TLS sessions that are taken up again on the next connection to the same place.

A resumed handshake leaves out the certificates and their verification: the server proves that it is the one with which
the session was made, and whose certificate was verified then.  So a session is only ever offered under the very name
for which it was made, by the very context that made it, and all of them are dropped when anything of the context
changes.  A server that does not know the session any more makes a full handshake.

What it saves, by ``python -m benchmarks.tls_resumption`` (two cores, Python 3.11, OpenSSL 3.0, loopback, a connection
for each request): of the client's CPU, the connect and the request included, 1.67 to 1.37 ms with TLS 1.3 and RSA, 1.65
to 1.24 ms with TLS 1.2; of the wall time, in which the server's signature counts, 5.5 to 3.1 and 5.7 to 2.7 ms.  With
elliptic curves, whose signatures are cheap, the wall time goes from 4.5 to 4.3 and from 3.7 to 2.3 ms.  It saves no
round trip.  Reading a session out costs Python a quarter of a millisecond, for it copies it: so one is kept for each
place and offered until the server refuses it.  (RFC 8446 appendix C.4 would have each ticket used once, against
observers who want to know which connections are one client's; these come from one address anyway.)
"""

from __future__ import annotations

import contextlib
import os
import ssl
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from triton_otel.wire.stream import current_link

if TYPE_CHECKING:
    import socket

    from typing_extensions import Self

__all__ = ["ResumingContext"]

_MAX_PLACES = 64
_MAX_READS = 16
"""Reads after which a server that has sent no ticket is taken for one that does not."""


class ResumingContext(ssl.SSLContext):
    """A client's TLS context that resumes sessions; may be used by any number of threads.

    Serves whoever makes connections with :meth:`wrap_socket` or :meth:`wrap_bio`: sockets, asyncio, anyio and trio.
    The place that a session belongs to is the server's name with the host and port that a pool connects to.
    """

    _places: dict[tuple[Any, Any], _Place]
    _process: int

    def __new__(cls, protocol: int = ssl.PROTOCOL_TLS_CLIENT) -> Self:
        """Return a context; see :class:`ssl.SSLContext`."""
        self = super().__new__(cls, protocol)
        self.drop_sessions()
        return self

    @classmethod
    def of(cls, context: ssl.SSLContext) -> Self:
        """Make a context that was just made, as by :func:`ssl.create_default_context`, one of this class.

        What that sets differs from one version of Python to the next, so it is not done over again here.
        """
        context.__class__ = cls
        assert isinstance(context, cls)
        context.drop_sessions()
        return context

    def drop_sessions(self) -> None:
        """Forget every session; connections that were made before bring none any more."""
        # Those connections hold the places that they belong to.
        self._places = {}
        self._process = os.getpid()

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Wrap a socket; see :meth:`ssl.SSLContext.wrap_socket`."""
        place = None if server_side or session is not None else self._place(server_hostname)
        if place is None:
            return super().wrap_socket(
                sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session
            )
        with place.handshake(offered := place.session):
            wrapped = super().wrap_socket(
                sock, False, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, offered
            )
        place.watch(wrapped, offered)
        return wrapped

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Wrap two buffers; see :meth:`ssl.SSLContext.wrap_bio`."""
        place = None if server_side or session is not None else self._place(server_hostname)
        if place is None:
            return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        offered = place.session
        wrapped = super().wrap_bio(incoming, outgoing, False, server_hostname, offered)
        place.watch(wrapped, offered)
        return wrapped

    # Whatever decides whom this context trusts, or who it is itself, ends what was agreed on before.

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if not name.startswith("_"):
            self.drop_sessions()

    def load_verify_locations(self, *args: Any, **kwargs: Any) -> None:
        """Load authorities; see :meth:`ssl.SSLContext.load_verify_locations`."""
        self.drop_sessions()
        super().load_verify_locations(*args, **kwargs)

    def load_default_certs(self, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        """Load the system's authorities; see :meth:`ssl.SSLContext.load_default_certs`."""
        self.drop_sessions()
        super().load_default_certs(purpose)

    def set_default_verify_paths(self) -> None:
        """Load the system's authorities; see :meth:`ssl.SSLContext.set_default_verify_paths`."""
        self.drop_sessions()
        super().set_default_verify_paths()

    def load_cert_chain(self, *args: Any, **kwargs: Any) -> None:
        """Load a certificate of one's own; see :meth:`ssl.SSLContext.load_cert_chain`."""
        self.drop_sessions()
        super().load_cert_chain(*args, **kwargs)

    def set_ciphers(self, cipherlist: str, /) -> None:
        """Choose ciphers; see :meth:`ssl.SSLContext.set_ciphers`."""
        self.drop_sessions()
        super().set_ciphers(cipherlist)

    def _place(self, server_hostname: str | bytes | None) -> _Place | None:
        """Return the place that is being connected to; ``None`` where it has no name."""
        if server_hostname is None:
            return None
        if self._process != os.getpid():
            # A forked child would use the tickets that its parent uses.
            self.drop_sessions()
        places, link = self._places, current_link()
        key = (server_hostname, None if link is None else link.place)
        place = places.get(key)
        if place is None:
            if len(places) >= _MAX_PLACES:
                places.clear()
            # Of two threads that come here at once both get the same one.
            place = places.setdefault(key, _Place())
        return place


class _Place:
    """The session of one place."""

    __slots__ = ("_shunned", "session")

    def __init__(self) -> None:
        self.session: ssl.SSLSession | None = None
        self._shunned = False

    @contextlib.contextmanager
    def handshake(self, offered: ssl.SSLSession | None) -> Iterator[None]:
        """A handshake, in which a session may be offered.

        A server that does not want one makes a full handshake.  Some are set up so that they fail instead: to such a
        place none is offered any more.
        """
        try:
            yield
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            if offered is not None:
                self._shunned = True
                self.session = None
            raise

    def watch(self, connection: ssl.SSLSocket | ssl.SSLObject, offered: ssl.SSLSession | None) -> None:
        """Have a connection's session kept after its first read, unless it is the one that was offered.

        TLS 1.3 sends tickets after the handshake, so they are there only when something has been read.  The
        connection's own thread must take the session, since OpenSSL's objects are not made for two at once.  So the
        read method is covered by one that takes itself away when it has done that: later reads cost nothing more.
        """
        own_read, own_handshake = type(connection).read, type(connection).do_handshake
        # Not the connection itself: it would keep itself open until the garbage collector comes.
        this: Any = weakref.ref(connection)
        reads = 0

        def read(*arguments: Any) -> Any:
            nonlocal reads
            connection = this()
            data = own_read(connection, *arguments)
            reads += 1
            if self._keep(connection) or reads == _MAX_READS:
                vars(connection).pop("read", None)
                vars(connection).pop("do_handshake", None)
            return data

        def do_handshake(*arguments: Any) -> Any:
            with self.handshake(offered):
                return own_handshake(this(), *arguments)

        vars(connection)["read"] = read
        if offered is not None:
            vars(connection)["do_handshake"] = do_handshake

    def _keep(self, connection: ssl.SSLSocket | ssl.SSLObject) -> bool:
        """Keep a connection's session; tell whether there was one, or none is wanted."""
        if self._shunned or (connection.session_reused and self.session is not None):
            return True
        session = connection.session
        if session is None or not (session.has_ticket or (session.id and connection.version() != "TLSv1.3")):
            return False
        self.session = session
        return True
