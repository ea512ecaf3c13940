"""The names of the source's objects: which are a day's events, which are songs."""

import re
from datetime import date

EVENTS = "log_data/"
SONGS = "song_data/"

_SONG = re.compile(r"song_data/\w/\w/\w/[^/]+\.json")
_EVENTS = re.compile(r"log_data/(\d{4})/(\d{2})/(\1-\2-\d{2})-events\.json")


def events_folder(day: date) -> str:
    """The prefix below which the day's events lie, with those of the month's other days."""
    return f"log_data/{day:%Y/%m}/"


def events_key(day: date) -> str:
    """The object of the day's events."""
    return f"{events_folder(day)}{day}-events.json"


def is_events(key: str) -> bool:
    """Whether the key names some day's events."""
    return _EVENTS.fullmatch(key) is not None


def is_song(key: str) -> bool:
    """Whether the key names a song file."""
    return _SONG.fullmatch(key) is not None
