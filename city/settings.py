"""Settings of every process, from environment variables with the prefix CITYWATCH_ (or a .env file)."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_CITY = Path(__file__).parent / "hcmc"


class Settings(BaseSettings):
    """One object for all services; each reads what it needs."""

    model_config = SettingsConfigDict(env_prefix="CITYWATCH_", env_file=".env", extra="ignore")

    database_dsn: str = Field(
        "postgresql://citywatch@127.0.0.1:5432/citywatch", description="PostgreSQL or TimescaleDB"
    )
    store: Literal["auto", "timescale", "plain"] = Field("auto", description="fixed at the first migration")
    kafka_bootstrap: str = Field("127.0.0.1:9092", description="host:port, comma separated")
    broker: Literal["kafka", "embedded"] = Field(
        "kafka", description="embedded: record time is the producer's CreateTime"
    )
    replication_factor: int = Field(1, ge=1, description="of created topics; 3 in production")
    city: Path = Field(DEFAULT_CITY, description="folder with city.yaml, sectors.yaml, zones.geojson, rules/")
    raw_retention_days: int = Field(90, ge=1, description="older readings are refused as late")
    minute_retention_days: int = Field(730, ge=1, description="minutes are kept so long, and as long as raw readings")
    hour_retention_days: int | None = Field(None, ge=1, description="hours are kept so long; not given: for ever")
    dead_letter_retention_days: int = Field(90, ge=1, description="older dead letters are erased, replayed or not")
    conflict_retention_days: int = Field(
        90, ge=1, description="older conflicts (a second value for a reading) are erased"
    )
    worker: str = Field("", description="name of this worker; empty: host and process id")
    center_host: str = "127.0.0.1"
    center_port: int = Field(8700, ge=0, le=65535)
    center_hosts: str = Field("", description="names with dots that browsers may call the center by, comma separated")
    sign_in: Literal["required", "off"] = Field(
        "required", description="off: whoever reaches the center is an admin; only while it listens on loopback"
    )
    session_hours: float = Field(12, gt=0, le=720, description="how long a person stays signed in at most")
    session_idle_minutes: float = Field(30, ge=2, description="without a request or an open WebSocket for so long")
    trusted_proxies: str = Field(
        "", description="addresses and networks whose X-Forwarded-For and -Proto count, comma separated"
    )
    plain_http_networks: str = Field(
        "", description="addresses and networks from which keys may come over plain HTTP, readable on the way"
    )
    public_url: str = Field(
        "", description="how browsers call the center, such as https://watch.city.example; needed for OpenID Connect"
    )
    oidc_issuer: str = Field("", description="an OpenID Connect provider's issuer; empty: local accounts only")
    oidc_client_id: str = ""
    oidc_client_secret: str = Field("", repr=False)
    oidc_title: str = Field("OpenID Connect", description="what the button of this sign-in says")
    oidc_role_claim: str = Field("groups", description="the claim that names a person's groups")
    oidc_sectors_claim: str = Field("", description="the claim that names a person's sectors; empty: all")
    oidc_roles: str = Field("", description="group=role pairs, comma separated: citywatch-admins=admin,…")
    door_patience_s: float = Field(
        5.0, gt=0, description="how long a publisher over HTTP waits for the brokers before its event is unknown"
    )
    door_room_bytes: int = Field(
        32 * 1024 * 1024, ge=65_536, description="events over HTTP that may be in hand at once; more are answered 429"
    )
    metrics_port: int = Field(0, ge=0, le=65535, description="0: no metrics server; it asks nobody who they are")
    frontend: Path | None = Field(None, description="built frontend; default: frontend/dist beside the packages")
    log_format: Literal["console", "json"] = "json"
    log_level: str = "INFO"
    failpoint: str = Field("", description="name of a failpoint where the process stops itself; for the kill test")
    simulated: bool = Field(False, description="the events come from the simulator: screens say so")

    @property
    def fetch_max_wait_ms(self) -> int:
        """The embedded broker holds a fetch for the whole wait, so it must be short there."""
        return 10 if self.broker == "embedded" else 500

    @property
    def minutes_kept_days(self) -> int:
        """Minutes outlive what they sum up."""
        return max(self.minute_retention_days, self.raw_retention_days)

    @property
    def hours_kept_days(self) -> int | None:
        """Hours outlive the minutes that they sum up; None: for ever."""
        days = self.hour_retention_days
        return None if days is None else max(days, self.minutes_kept_days)
