"""Runs the programs of the stack as processes on this machine's loopback addresses."""

from __future__ import annotations

from collector.running.addresses import Addresses, chosen
from collector.running.process import DidNotStart
from collector.running.stack import Stack

__all__ = ["Addresses", "DidNotStart", "Stack", "chosen"]
