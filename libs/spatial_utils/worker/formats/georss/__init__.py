"""GeoRSS: news feeds (RSS, Atom) whose items have places."""
