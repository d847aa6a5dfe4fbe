"""The stack of ``docker-compose.yaml``: its images, its passwords, and starting it. Only the standard library is used."""
