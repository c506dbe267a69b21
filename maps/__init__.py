"""One process per command post: the live map and the incident log in a browser."""
