"""Importing this fills the table of endpoints."""

from scrm.wecom.simulator.api import customers, directory, groups

__all__ = ["customers", "directory", "groups"]
