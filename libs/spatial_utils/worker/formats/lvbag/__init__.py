"""LV BAG: the extracts of the Dutch register of addresses and buildings, BAG 2.0."""
