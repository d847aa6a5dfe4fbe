"""MinIO: landing zone and lake."""

import ssl
import urllib.request
from pathlib import Path

from services.local import build
from services.local.daemon import Daemon
from services.local.service import ADMINISTRATOR, HOST, Service


class MinIO(Service):
    """MinIO on one folder. With ``public.crt`` and ``private.key`` in its ``certs/``, it speaks TLS."""

    name = "minio"
    settings = ("MINIO_ENDPOINT", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_USE_SSL")

    @property
    def running(self) -> bool:  # noqa: D102
        return self._daemon.running

    def build(self) -> None:  # noqa: D102
        build.minio().build()

    def start(self) -> None:  # noqa: D102
        if self.running:
            return
        program = build.minio()
        data, certificates = self.folder / "data", self.folder / "certs"
        for folder in (data, certificates):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = self.memory.free_port("port")
        command: list[str | Path] = [program.path, "server", "--address", f"{HOST}:{port}", "--certs-dir", certificates, data]
        private = {
            "MINIO_ROOT_USER": ADMINISTRATOR, "MINIO_ROOT_PASSWORD": self.memory.password("password"),
            "MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "HOME": str(self.folder),
        }  # fmt: skip
        self._daemon.start(command, private, self.folder)
        self._daemon.wait_until(self._answers)
        self.memory.set("version", f"MinIO {program.version}")

    def stop(self) -> None:  # noqa: D102
        self._daemon.stop()

    def kill(self) -> None:  # noqa: D102
        self._daemon.kill()

    @property
    def environment(self) -> dict[str, str]:  # noqa: D102
        speaks_tls = "true" if self._speaks_tls else "false"
        return dict(zip(self.settings, (self.address, ADMINISTRATOR, self.memory.password("password"), speaks_tls), strict=True))

    @property
    def _daemon(self) -> Daemon:
        return Daemon("minio", self.memory, self.folder / "minio.log")

    @property
    def _speaks_tls(self) -> bool:
        return (self.folder / "certs" / "public.crt").exists()

    def _answers(self) -> bool:
        anyone = ssl.create_default_context()  # whether it answers is asked; who it is, its clients check
        anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=anyone))
        scheme = "https" if self._speaks_tls else "http"
        try:
            with direct.open(f"{scheme}://{self.address}/minio/health/ready", timeout=5):
                return True
        except OSError:
            return False
