"""The catalog: datasets and deliveries in a browser, lake files and features over HTTP. Read only; it holds no rules."""
