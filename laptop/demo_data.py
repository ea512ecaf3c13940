"""Four days of a music service that does not exist, laid out as the source bucket.

The same seed gives the same bytes. Everything that real logs have is there: sessions that begin before
midnight and end after it, skipped songs, upgrades and downgrades, logged-out events, names and titles outside
ASCII, one title by two artists, one song in two lengths, songs without metadata, lines delivered twice and
one that was cut off.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

FIRST_DAY = date(2018, 11, 1)
DAYS = 4
SEED = 20181101
USERS = 84
SECOND = 1000  # event times are in milliseconds

FIRST_NAMES = {
    "F": "Adaeze Ágnes Amélie Anjali Beatriz Carla Chloé Dagný Elif Freya Greta Hana Ines Joana Jūratė Kaia"
    " Léa Maren Mirjana Naledi Noor Odile Paloma Renske Saoirse Siobhán Tamsin Ulrike Vesna Wanda Xiomara"
    " Yuki Zofia",
    "M": "Abel Anders Björn Bruno Caspar Dónal Emeka Étienne Farid Goran Håkon Igor Jakub João Kofi Lorenz"
    " Łukasz Matteo Nils Otto Pavel Quentin Rafał Sanjay Søren Tomás Ugo Viktor Wim Yannick Ximeno Zoltán",
}
LAST_NAMES = (
    "Achterberg Almeida Bergström Boateng Çelik Dąbrowski Delacroix Eriksen Ferreira Fischer Gallagher García"
    " Hašek Ibarra Jansen Kovács Lindqvist Mbeki Müller Nakagawa Novák Ó'Briain Okafor Petrović Quispe Rossi"
    " Sato Thorne Ułan Vasquez Weber Yılmaz Zimmer Zúñiga"
)
LOCATIONS = (
    "Portland-Vancouver-Hillsboro, OR-WA",
    "Chicago-Naperville-Elgin, IL-IN-WI",
    "San Juan-Carolina-Caguas, PR",
    "Española, NM",
    "Duluth, MN-WI",
    "Minneapolis-St. Paul-Bloomington, MN-WI",
    "Tampa-St. Petersburg-Clearwater, FL",
    "Houston-The Woodlands-Sugar Land, TX",
    "Winston-Salem, NC",
    "Eugene, OR",
    "Bangor, ME",
    "Boulder, CO",
    "Ithaca, NY",
    "Cañon City, CO",
)
USER_AGENTS = (
    "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/37.0.2062.103"
    " Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_9_4) AppleWebKit/537.78.2 (KHTML, like Gecko) Version/7.0.6"
    " Safari/537.78.2",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/37.0.2062.94"
    " Safari/537.36",
    "Mozilla/5.0 (Windows NT 6.3; WOW64; rv:32.0) Gecko/20100101 Firefox/32.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 7_1_2 like Mac OS X) AppleWebKit/537.51.2 (KHTML, like Gecko)"
    " Version/7.0 Mobile/11D257 Safari/9537.53",
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; WOW64; Trident/6.0)",
)

# Name, location, latitude, longitude. Half of the places are unknown, as in the real metadata.
ARTISTS: tuple[tuple[str, str, float | None, float | None], ...] = (
    ("Paper Lanterns", "Leeds, England", 53.79648, -1.54785),
    ("The Velvet Orchard", "Austin, TX", 30.26759, -97.74299),
    ("Sólveig Hrafnsdóttir", "Reykjavík, Iceland", 64.14598, -21.94224),
    ("Copper Sparrow", "", None, None),
    ("Nuages Électriques", "Lyon, France", 45.75917, 4.82966),
    ("DJ Małgosia", "Łódź, Poland", 51.77606, 19.45389),
    ("Harbour Lights Quartet", "Halifax, Nova Scotia", 44.64533, -63.57239),
    ("The Slow Commuters", "", None, None),
    ("東京ハイウェイ", "Tokyo, Japan", 35.67048, 139.74092),
    ("Marisol y los Faroles", "Oaxaca, México", 17.06086, -96.72542),
    ("Static Bloom", "Portland, OR", 45.51179, -122.67563),
    ("Ned Ashgrove", "", None, None),
    ("Κίτρινο Λεμόνι", "Thessaloniki, Greece", 40.64032, 22.93527),
    ("Winterhouse", "Duluth, MN", 46.78332, -92.10658),
    ("Owl & Ember", "", None, None),
    ("Тихий Двор", "Perm, Russia", 58.01046, 56.25017),
    ("Lagos Night Bus", "Lagos, Nigeria", 6.45506, 3.39418),
    ("Kitchen Table Radio", "", None, None),
    ("The Brass Pilots", "New Orleans, LA", 29.95369, -90.07771),
    ("Señorita Tormenta", "Valparaíso, Chile", -33.04752, -71.61269),
    ("Half-Mile Choir", "", None, None),
    ("Ada Fenwick", "Bristol, England", 51.45366, -2.59143),
    ("Ghost Elevator", "", None, None),
    ("Blåsippa", "Umeå, Sweden", 63.82589, 20.26304),
    ("Rust & Honey", "Tulsa, OK", 36.15398, -95.99277),
    ("The Unfinished Letters", "", None, None),
    ("Çay Bahçesi", "İzmir, Turkey", 38.41885, 27.12872),
    ("Moth Season", "", None, None),
    ("Quiet Machines", "Berlin, Germany", 52.51607, 13.37698),
    ("Fernweh", "", None, None),
)
TITLE_FIRST = (
    "Amber Borrowed Broken Crooked Distant Electric Empty Faded Golden Hollow Last Little Midnight Northern"
    " Paper Quiet Restless Secret Silver Slow Tidal Wooden Yellow"
)
TITLE_SECOND = (
    "Alphabet Avenue Bicycle Calendar Compass Corridor Engine Garden Harbour Island Lantern Letter Meridian"
    " Orchard Parade Postcard River Satellite Signal Staircase Telephone Umbrella Weather Window"
)
# Artist's number, title: those that tables must keep apart or spell right.
SPECIAL_TITLES = (
    (0, "Home"),
    (10, "Home"),  # one title, three artists
    (21, "Home"),
    (4, "Déjà vu sous la pluie"),
    (8, "夜の電車"),
    (12, "Θάλασσα"),
    (15, "Окно во двор"),
    (19, "Mañana, otra vez"),
    (23, "Där björkarna står"),
    (26, "Gül ve Ateş"),
    (18, 'The "Second" Line'),
    (24, "Rock 'n' Rust (Part 1/2)"),
    (3, "Back\\slash Blues"),
)
# Played, but without a file in song_data.
UNKNOWN_SONGS = (
    ("The Backyard Astronomers", "Comet Over Carport", 214.07302),
    ("Ilse Vandermeer", "Zeven Bruggen", 187.41506),
    ("Paper Lanterns", "Demo From The Van", 163.02975),
    ("Otto's Orphans", "No Map", 251.66322),
    ("Grémio do Sal", "Maré Cheia", 198.55628),
    ("The Longest Tuesday", "Wednesday", 305.18812),
    ("Kwame & the Kettles", "Boil", 142.94159),
    ("Static Bloom", "Untitled (Live In Studio)", 276.32281),
)


@dataclass(frozen=True)
class Song:
    artist: int  # its place in ARTISTS
    artist_name: str  # as this song spells it
    title: str
    duration: float
    year: int  # 0: unknown


@dataclass
class User:
    user_id: str
    first_name: str
    last_name: str
    gender: str
    level: str
    location: str
    user_agent: str
    registration: float
    sessions_a_day: int


Event = dict[str, Any]


def days() -> list[date]:
    return [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]


def write(folder: Path) -> None:
    """Write song_data/ and log_data/ below `folder`; files of another making are left alone."""
    for name, content in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def files() -> dict[str, bytes]:
    """Path below the source → content, as the source bucket has it."""
    chance = random.Random(SEED)  # noqa: S311 (data for a demonstration, not a secret)
    songs = _songs(chance)
    users = _users(chance)
    found = dict(_song_files(chance, songs))
    events = _events(chance, users, songs)
    lines: dict[date, list[str]] = {}
    for day in days():
        of_day = [event for event in events if _day(event) == day]
        lines[day] = [
            json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            for event in sorted(of_day, key=lambda event: (event["ts"], event["sessionId"]))
        ]
    _spoil(lines)
    for day, texts in lines.items():
        found[f"log_data/{day:%Y/%m}/{day}-events.json"] = "\n".join(texts).encode()
    return found


def _spoil(lines: dict[date, list[str]]) -> None:
    """As real logs: a sender repeats itself, within a day and over midnight, or is cut off."""
    _, second, third, fourth = days()
    lines[third][40:40] = lines[third][30:33]
    lines[third].insert(0, lines[second][-1])
    lines[fourth].insert(100, lines[fourth][99][:140])


def _day(event: Event) -> date:
    return datetime.fromtimestamp(event["ts"] / SECOND, UTC).date()


def _identifier(chance: random.Random, start: str, length: int) -> str:
    return start + "".join(chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=length))


def _duration(chance: random.Random) -> float:
    return chance.randint(9_500_000, 36_500_000) / 100_000


def _songs(chance: random.Random) -> list[Song]:
    pairs = [f"{first} {second}" for first in TITLE_FIRST.split() for second in TITLE_SECOND.split()]
    plain = [(chance.randrange(len(ARTISTS)), title) for title in chance.sample(pairs, 90)]
    songs = []
    for artist, title in [*SPECIAL_TITLES, *plain]:
        year = chance.choice([0, 0, *range(1968, 2018, 3)])
        songs.append(Song(artist, ARTISTS[artist][0], title, _duration(chance), year))
    # One song in two lengths, and an artist whose songs do not agree on the name.
    for number in (13, 29, 47):
        song = songs[number]
        songs.append(Song(song.artist, song.artist_name, song.title, _duration(chance), song.year))
    guest = songs[60]
    songs.append(
        Song(guest.artist, f"{guest.artist_name} feat. Ada Fenwick", "Two Lamps", _duration(chance), 2016)
    )
    chance.shuffle(songs)
    return songs


def _song_files(chance: random.Random, songs: list[Song]) -> Iterator[tuple[str, bytes]]:
    artist_ids = [_identifier(chance, "AR", 16) for _ in ARTISTS]
    for song in songs:
        track = "TRA" + "".join(chance.choices("ABC", k=2)) + _identifier(chance, "", 13)
        _, location, latitude, longitude = ARTISTS[song.artist]
        record = {
            "num_songs": 1,
            "artist_id": artist_ids[song.artist],
            "artist_latitude": latitude,
            "artist_longitude": longitude,
            "artist_location": location,
            "artist_name": song.artist_name,
            "song_id": _identifier(chance, "SO", 16),
            "title": song.title,
            "duration": song.duration,
            "year": song.year,
        }
        name = f"song_data/{track[2]}/{track[3]}/{track[4]}/{track}.json"
        yield name, json.dumps(record, ensure_ascii=False).encode()


def _users(chance: random.Random) -> list[User]:
    made = []
    for number in range(USERS):
        gender = chance.choice("FM")
        registered = datetime(2018, 8, 1, tzinfo=UTC).timestamp() + chance.randrange(80 * 24 * 3600)
        made.append(
            User(
                user_id=str(number + 2),
                first_name=chance.choice(FIRST_NAMES[gender].split()),
                last_name=chance.choice(LAST_NAMES.split()),
                gender=gender,
                level=chance.choice(("free", "free", "free", "paid")),
                location=chance.choice(LOCATIONS),
                user_agent=chance.choice(USER_AGENTS),
                registration=float(int(registered) * SECOND),
                sessions_a_day=chance.choice((0, 1, 1, 2)),
            )
        )
    return made


def _events(chance: random.Random, users: list[User], songs: list[Song]) -> list[Event]:
    """All sessions, in the order of their begin; what lies outside the days is cut off."""
    starts = []
    # From the evening before: the first day has sessions that are already under way.
    for day in [FIRST_DAY - timedelta(days=1), *days()]:
        weekend = day.weekday() >= 5
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        for user in users:
            for _ in range(user.sessions_a_day):
                if chance.random() < (0.65 if weekend else 0.5):
                    hour = chance.choice((1, 6, 8, 9, 12, 13, 16, 17, 18, 19, 20, 21, 21, 22, 23, 23))
                    starts.append(((midnight + hour * 3600 + chance.randrange(3600)) * SECOND, user))
    starts.sort(key=lambda start: (start[0], start[1].user_id))
    # Few songs are played by many, and many by few.
    popularity = [4000 // (rank + 8) for rank in range(len(songs))]
    busy_until = dict.fromkeys((user.user_id for user in users), 0)
    events: list[Event] = []
    for number, (start, user) in enumerate(starts):
        begin = max(start, busy_until[user.user_id] + 1800 * SECOND) + chance.randrange(SECOND)
        session = _Session(chance, user, 100 + number, begin)
        session.play(songs, popularity)
        busy_until[user.user_id] = session.now
        events += session.events
    return [event for event in events if FIRST_DAY <= _day(event) <= days()[-1]]


class _Session:
    """One visit: events of one session with rising times and item numbers."""

    def __init__(self, chance: random.Random, user: User, number: int, begin: int) -> None:
        self.chance = chance
        self.user = user
        self.number = number
        self.now = begin
        self.events: list[Event] = []

    def play(self, songs: list[Song], popularity: list[int]) -> None:
        if self.chance.random() < 0.12:
            self._page("Home", logged_in=False)
            if self.chance.random() < 0.1:
                self._page(self.chance.choice(("About", "Help")), logged_in=False)
            self._page("Login", method="PUT", status=307, logged_in=False)
            self._page("Home")
        elif self.chance.random() < 0.5:
            self._page("Home")
        if self.chance.random() < 0.08:
            return  # looked in, played nothing
        most = 45 if self.user.level == "paid" else 18
        for _ in range(self.chance.randint(1, most)):
            self._song(songs, popularity)
            self._other_page()
        if self.chance.random() < 0.15:
            self._page("Logout", method="PUT", status=307)
            if self.chance.random() < 0.6:
                self._page("Home", logged_in=False)

    def _song(self, songs: list[Song], popularity: list[int]) -> None:
        if self.chance.random() < 0.09:
            artist, title, length = self.chance.choice(UNKNOWN_SONGS)
        else:
            (song,) = self.chance.choices(songs, weights=popularity)
            artist, title, length = song.artist_name, song.title, song.duration
        self._event("NextSong", "PUT", 200, artist=artist, song=title, length=length)
        skipped = self.chance.random() < 0.18
        listened = self.chance.randint(3, 60) if skipped else int(length)
        self.now += listened * SECOND

    def _other_page(self) -> None:
        draw = self.chance.random()
        if draw < 0.05:
            self._page("Home")
        elif draw < 0.065:
            self._page("Settings")
            if self.chance.random() < 0.4:
                self._page("Save Settings", method="PUT", status=307)
        elif draw < 0.075:
            self._page("Help")
        elif draw < 0.08:
            self._page("About")
        elif draw < 0.084:
            self._page("Error", status=404)
        elif draw < 0.105 and self.user.level == "free":
            self._change_level("Upgrade", "paid")
        elif draw < 0.1 and self.user.level == "paid":
            self._change_level("Downgrade", "free")

    def _change_level(self, page: str, level: str) -> None:
        self._page(page)
        if self.chance.random() < 0.4:
            self._page(f"Submit {page}", method="PUT", status=307)
            self.user.level = level
            self._page("Home")

    def _page(self, page: str, method: str = "GET", status: int = 200, logged_in: bool = True) -> None:
        self._event(page, method, status, logged_in=logged_in)
        self.now += self.chance.randint(2, 50) * SECOND

    def _event(
        self,
        page: str,
        method: str,
        status: int,
        logged_in: bool = True,
        artist: str | None = None,
        song: str | None = None,
        length: float | None = None,
    ) -> None:
        user = self.user
        self.events.append(
            {
                "artist": artist,
                "auth": "Logged In" if logged_in else "Logged Out",
                "firstName": user.first_name if logged_in else None,
                "gender": user.gender if logged_in else None,
                "itemInSession": len(self.events),
                "lastName": user.last_name if logged_in else None,
                "length": length,
                "level": user.level,
                "location": user.location if logged_in else None,
                "method": method,
                "page": page,
                "registration": user.registration if logged_in else None,
                "sessionId": self.number,
                "song": song,
                "status": status,
                "ts": self.now,
                "userAgent": user.user_agent if logged_in else None,
                "userId": user.user_id if logged_in else "",
            }
        )
