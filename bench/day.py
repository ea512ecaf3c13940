"""A day of made-up events, as often as it is wanted."""

import json
import random
from datetime import date, timedelta

EVENTS = 5_000
USERS = 500
_DAY_ZERO = 17_500  # days since 1970: 2017-11-30


def date_of(number: int) -> str:
    return str(date(1970, 1, 1) + timedelta(days=_DAY_ZERO + number))


def key_of(number: int) -> str:
    day = date_of(number)
    return f"log_data/{day[:4]}/{day[5:7]}/{day}-events.json"


def day_of(number: int, events: int = EVENTS) -> bytes:
    """The same day, as many days later."""
    chance = random.Random(1)
    lines = []
    for item in range(events):
        user = chance.randrange(USERS)
        play = chance.random() < 0.85
        lines.append(
            json.dumps(
                {
                    "artist": f"Artist {user % 97}" if play else None,
                    "auth": "Logged In",
                    "firstName": f"First{user}",
                    "gender": "F" if user % 2 else "M",
                    "itemInSession": item,
                    "lastName": f"Last{user}",
                    "length": 180 + item % 100 + 0.30812 if play else None,
                    "level": "paid" if user % 3 else "free",
                    "location": "Phoenix-Mesa-Scottsdale, AZ",
                    "method": "PUT" if play else "GET",
                    "page": "NextSong" if play else "Home",
                    "registration": 1540344794796.0,
                    "sessionId": 1_000_000 * number + user,
                    "song": f"Song {item % 997}" if play else None,
                    "status": 200,
                    "ts": (_DAY_ZERO + number) * 86_400_000 + item * (86_000_000 // events),
                    "userAgent": "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko)",
                    "userId": str(user),
                }
            )
        )
    return ("\n".join(lines) + "\n").encode()
