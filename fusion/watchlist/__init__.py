"""The watchlist: entries with a purpose, a legal basis and an end; leads for people."""
