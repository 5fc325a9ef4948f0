"""Rows whose images and videos are the same."""

from .find import Media, MediaDuplicates, MediaWarning

__all__ = ["Media", "MediaDuplicates", "MediaWarning"]
