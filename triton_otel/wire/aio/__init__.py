"""The wire for tasks: the same grammar as for threads, over asyncio's sockets or httpcore's asynchronous streams."""
