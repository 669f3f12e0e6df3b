"""A second broker beside the Apache Kafka of a test, so that a partition can lose its leader."""

from pathlib import Path

from citywatch.embedded.kafka import ApacheKafka, _identity


class SecondBroker(ApacheKafka):
    """Node 2 of the cluster whose controller is `first`; when it stops, what it leads has no leader."""

    def __init__(self, directory: Path, first: ApacheKafka) -> None:
        super().__init__(directory, properties={"process.roles": "broker", "node.id": "2"})
        self._first = first

    def _format(self, libraries: Path, configuration: Path) -> None:
        meta = self.directory / "log" / "meta.properties"
        if not meta.exists():
            self.cluster_id = self._first.cluster_id
            meta.parent.mkdir(parents=True)
            lines = ("version=1", "node.id=2", f"directory.id={_identity()}", f"cluster.id={self.cluster_id}")
            meta.write_text("\n".join(lines) + "\n")

    def _configuration(self) -> str:
        changed = {
            "controller.quorum.voters": f"1@127.0.0.1:{self._first._controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }
        lines = [line for line in super()._configuration().splitlines() if line.partition("=")[0] not in changed]
        return "\n".join([*lines, *(f"{name}={value}" for name, value in changed.items())]) + "\n"
