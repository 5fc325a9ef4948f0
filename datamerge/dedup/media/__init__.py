"""Rows whose images and videos are the same."""

from .find import Media, MediaDuplicates, MediaWarning, media

__all__ = ["Media", "MediaDuplicates", "MediaWarning", "media"]
