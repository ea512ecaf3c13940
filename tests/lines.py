"""A good line of each source, which the tests change and spoil."""

from typing import Any

EVENT: dict[str, Any] = {
    "artist": "Des'ree",
    "auth": "Logged In",
    "firstName": "Kaylee",
    "gender": "F",
    "itemInSession": 1,
    "lastName": "Summers",
    "length": 246.30812,
    "level": "free",
    "location": "Phoenix-Mesa-Scottsdale, AZ",
    "method": "PUT",
    "page": "NextSong",
    "registration": 1540344794796.0,
    "sessionId": 139,
    "song": "You Gotta Be",
    "status": 200,
    "ts": 1541106106796,
    "userAgent": '"Mozilla/5.0 (Windows NT 6.1; WOW64)"',
    "userId": "8",
}
SONG: dict[str, Any] = {
    "num_songs": 1,
    "artist_id": "AR62SOJ1187FB47BB5",
    "artist_latitude": 51.50632,
    "artist_longitude": -0.12714,
    "artist_location": "London, England",
    "artist_name": "Chase & Status",
    "song_id": "SOGVQGJ12AB017F169",
    "title": "Ten Tonne",
    "duration": 337.68444,
    "year": 2005,
}
