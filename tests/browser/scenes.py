"""Believable states of the city for the browser tests: a calm evening, heavy rain at high tide, a dead feed."""

import itertools
import json
import math
import os
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ZONES = Path(os.environ.get("CITYWATCH_TEST_ZONES", Path(__file__).parents[2] / "city" / "hcmc" / "zones.geojson"))


def stamp(seconds_ago: float = 0.0) -> str:
    """RFC 3339 with milliseconds, so long ago."""
    then = datetime.fromtimestamp(time.time() - seconds_ago, UTC)
    return then.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def both(vi: str, en: str) -> dict[str, str]:
    return {"vi": vi, "en": en}


class Metric:
    """One metric with the way its last hour looked: a base, a daily swing, and where it stands now."""

    def __init__(
        self,
        name: str,
        short: dict[str, str],
        unit: str,
        decimals: int,
        cadence_s: float,
        base: float,
        now: float,
        severity: str | None = None,
        age_s: float = 2.0,
    ) -> None:
        self.name, self.short, self.unit, self.decimals, self.cadence_s = name, short, unit, decimals, cadence_s
        self.base, self.now, self.severity, self.age_s = base, now, severity, age_s

    def figure(self, random_: random.Random) -> Json:
        end = time.time() - self.age_s
        trend, week = [], []
        for i in range(60):
            t = end - (59 - i) * 60
            bend = max(0.0, (i - 38) / 21) ** 1.4
            usual = self.base * (1 + 0.05 * math.sin(i / 9))
            value = usual + (self.now - usual) * bend + self.base * random_.gauss(0, 0.008)
            trend.append([int(t * 1000), round(value, 3)])
            week.append([int((t - 7 * 86400) * 1000), round(usual * (1 + random_.gauss(0, 0.006)), 3)])
        trend[-1][1] = self.now
        return {
            "metric": self.name,
            "label": self.short,
            "unit": self.unit,
            "decimals": self.decimals,
            "value": self.now,
            "time": stamp(self.age_s),
            "cadence_s": self.cadence_s,
            "trend": trend,
            "last_week": week,
            "severity": self.severity,
        }


class Scene:
    """All that a client can be told, and how it goes on from second to second."""

    def __init__(self, zones: Path = ZONES, seed: int = 7) -> None:
        self.zones = zones
        self.epoch = str(uuid.uuid4())
        self.seq = 100
        self.alerts: dict[str, Json] = {}
        self._random = random.Random(seed)
        self._dead: set[str] = set()
        self._last: list[list[float]] = []
        self._report_ids = itertools.count(1)
        features = json.loads(zones.read_text())["features"]
        self._places = {f["properties"]["code"]: f["properties"] for f in features}
        self._metrics = _metrics()
        self.city: Json = {
            "city": {"name": both("TP. Hồ Chí Minh", "Ho Chi Minh City"), "timezone": "Asia/Ho_Chi_Minh"},
            "stage": {
                "level": 1,
                "name": both("Bình thường", "Normal"),
                "since": stamp(7200),
                "by": "Nguyễn Thị Minh Khai",
            },
            "engine_late": [],
            "sectors": [self._sector(name) for name in self._metrics],
            "reports": [],
            "reports_today": 12,
            "incidents": [],
            "flood": None,
            "statistics": {"alarms_hour": 1, "alarms_10min": 0},
            "simulated": True,
        }
        self.series, self._silent = self._assets(400)

    @property
    def catalogue(self) -> Json:
        """The body of /api/v1/sectors, as much of it as the page reads."""
        return {
            "sectors": [
                {
                    "sector": sector,
                    "metrics": [
                        {
                            "metric": m.name,
                            "short": m.short,
                            "cadence_s": m.cadence_s,
                            "decimals": m.decimals,
                            "unit": m.unit,
                        }
                        for m in metrics
                    ],
                }
                for sector, metrics in self._metrics.items()
            ]
        }

    def named(self, name: str) -> str:
        """The code of the zone with this Vietnamese name (without its kind)."""
        for code, place in self._places.items():
            if place["name"]["vi"].endswith(f" {name}"):
                return str(code)
        raise LookupError(name)

    def alert(
        self,
        title: str,
        zone: str,
        *,
        sector: str = "environment",
        metric: str = "water_level_m",
        severity: str = "critical",
        state: str = "unacknowledged",
        value: float = 1.62,
        limit: float = 1.6,
        unit: str = "m",
        comparison: str = ">",
        age_s: float = 192.0,
        owner: str | None = None,
        asset: str | None = None,
    ) -> Json:
        """One alert in the JSON of history, REST and WebSocket."""
        place = self._places[zone]
        acknowledged = state == "acknowledged"
        return {
            "id": str(uuid.uuid4()),
            "rule": "rule-" + title.casefold().replace(" ", "-"),
            "seq": self.seq + 1,
            "rule_version": 1,
            "group": asset or zone,
            "sector": sector,
            "asset": asset,
            "zone": zone,
            "zone_name": place["name"],
            "location": [place["lon"], place["lat"]],
            "severity": severity,
            "state": state,
            "title": both(title, title),
            "short": both(title, title),
            "metric": metric,
            "unit": unit,
            "value": value,
            "limit": limit,
            "comparison": comparison,
            "raised_at": stamp(age_s),
            "recorded_at": stamp(max(age_s, 0.0)),
            "updated_at": stamp(age_s),
            "cleared_at": stamp(5) if state.startswith("returned") else None,
            "acknowledged_at": stamp(age_s / 2) if acknowledged else None,
            "acknowledged_by": owner if acknowledged else None,
            "owner": owner,
            "accepted_at": stamp(age_s / 2) if owner and acknowledged else None,
            "silenced": [],
            "comments": 0,
            "hidden": None,
            "last_data_at": stamp(1),
            "consequence": both("Ngập các tuyến ven kênh trong 30 phút", "Canal roads flood within 30 minutes"),
            "response": [
                both("Gọi trạm bơm Nhiêu Lộc, bật máy 2, 3", "Call Nhiêu Lộc pumping station, start pumps 2 and 3"),
                both("Báo CSGT phân luồng Nguyễn Hữu Cảnh", "Have traffic police divert Nguyễn Hữu Cảnh"),
            ],
            "respond_within_s": 300,
            "team": "flood-duty",
        }

    def open(self, *alerts: Json) -> None:
        """Puts alerts into the snapshot."""
        for alert in alerts:
            self.seq += 1
            self.alerts[alert["id"]] = alert

    def group(self, belongs: Callable[[Json], bool]) -> None:
        """Makes one incident of some of the alerts; the others have one each."""
        members = sorted(filter(belongs, self.alerts.values()), key=lambda alert: str(alert["raised_at"]))
        alone = [[alert] for alert in self.alerts.values() if not belongs(alert)]
        self.city["incidents"] = [
            {
                "id": str(uuid.uuid4()),
                "first_out": group[0]["id"],
                "sectors": sorted({alert["sector"] for alert in group}),
                "zones": sorted({alert["zone"] for alert in group}),
                "opened_at": group[0]["raised_at"],
                "alerts": [alert["id"] for alert in group],
                "reports": 0,
            }
            for group in (members, *alone)
        ]

    def report(self, source: str, title: str, description: str, zone: str, age_s: float) -> Json:
        """One citizen's report."""
        return {
            "id": next(self._report_ids),
            "sector": "hotline",
            "source": f"//{source}.hcmc.example",
            "subject": f"{source}-{age_s:.0f}",
            "category": "flood",
            "severity": "warning",
            "title": title,
            "description": description,
            "status": "open",
            "zone": zone,
            "zone_name": self._places[zone]["name"],
            "location": None,
            "time": stamp(age_s),
        }

    def kill_feed(self, sector: str, age_s: float) -> Json:
        """From now on the sector says nothing; returns its changed state."""
        self._dead.add(sector)
        for metric in self._metrics[sector]:
            metric.age_s = age_s
        state = self._sector(sector)
        state["feed"] = {"newest": stamp(age_s), "age_s": age_s, "max_s": 60.0, "dead": True}
        state["assets_alive"] = 0
        self.city["sectors"] = [state if s["sector"] == sector else s for s in self.city["sectors"]]
        return state

    def stop_engine(self, age_s: float, *sectors: str, state: str = "stalled") -> list[Json]:
        """Of these sectors nothing has been judged for so long; returns what center says of it."""
        late = [{"sector": sector, "state": state, "since": stamp(age_s)} for sector in sectors]
        self.city["engine_late"] = late
        return late

    def fall_silent(self, alert: Json, value: float, age_s: float) -> None:
        """The sensor of an alert said this so long ago, and nothing since."""
        series = len(self.series) + 1
        place = alert["location"]
        self.series.append([series, alert["sector"], alert["asset"], alert["metric"], alert["zone"], *place])
        self._silent.add(series)
        self._last.append([series, int((time.time() - age_s) * 1000), value])

    def fresh_values(self) -> list[list[float]]:
        """Each series that is not silent, a moment ago; of those that fell silent the last there was."""
        now = int(time.time() * 1000) - 400
        fresh = [[row[0], now, 1.0] for row in self.series if row[0] not in self._silent and row[1] not in self._dead]
        return self._last + fresh

    def fresh_sectors(self) -> list[Json]:
        """The sectors whose figures came again, without trends, as center sends them."""
        changed = []
        for state in self.city["sectors"]:
            if state["sector"] in self._dead:
                continue
            metrics = {m.name: m for m in self._metrics[state["sector"]]}
            for figure in state["figures"]:
                metric = metrics[figure["metric"]]
                if metric.age_s < 10:
                    figure["time"] = stamp(metric.age_s)
            state["feed"] = {**state["feed"], "newest": stamp(2), "age_s": 2.0}
            bare = [{k: v for k, v in f.items() if k not in ("trend", "last_week")} for f in state["figures"]]
            changed.append({**state, "figures": bare})
        return changed

    def _sector(self, name: str) -> Json:
        titles = {
            "traffic": both("Giao thông", "Traffic"),
            "health": both("Y tế", "Health"),
            "environment": both("Môi trường", "Environment"),
        }
        alive = {"traffic": (1240, 1248), "health": (46, 46), "environment": (118, 232)}[name]
        worst = {"traffic": ("Gia Định", "speed_kmh", 7.0), "health": ("Chợ Lớn", "er_arrivals_ph", 61.0)}
        zone, metric, value = worst.get(name, ("Gia Định", "rain_mm_h", 64.0))
        return {
            "sector": name,
            "title": titles[name],
            "figures": [metric.figure(self._random) for metric in self._metrics[name]],
            "assets_alive": alive[0],
            "assets_total": alive[1],
            "worst": {
                "zone": self.named(zone),
                "name": self._places[self.named(zone)]["name"],
                "metric": metric,
                "value": value,
            },
            "feed": {"newest": stamp(2), "age_s": 2.0, "max_s": 60.0, "dead": False},
        }

    def _assets(self, count: int) -> tuple[list[list[Any]], set[int]]:
        """Sensors scattered over the core; every twentieth is silent, and two zones are silent whole."""
        core = [place for place in self._places.values() if place.get("core")]
        mute = {core[5]["code"], core[31]["code"]}
        series: list[list[Any]] = []
        silent: set[int] = set()
        for i in range(count):
            place = core[i % len(core)]
            spread = math.sqrt(place["area_km2"]) / 111 * 0.3
            lon = place["lon"] + self._random.uniform(-spread, spread)
            lat = place["lat"] + self._random.uniform(-spread, spread)
            sector, metric = [("traffic", "speed_kmh"), ("environment", "noise_db"), ("health", "er_arrivals_ph")][
                i % 3
            ]
            series.append([i + 1, sector, f"S-{i:04}", metric, place["code"], round(lon, 5), round(lat, 5)])
            if i % 20 == 3 or place["code"] in mute:
                silent.add(i + 1)
        return series, silent


def _metrics() -> dict[str, list[Metric]]:
    return {
        "traffic": [
            Metric("speed_kmh", both("Tốc độ", "Speed"), "km/h", 1, 10, 34, 32.4),
            Metric("flow_vph", both("Lưu lượng", "Flow"), "xe/h", 0, 10, 1180, 1240),
            Metric("congested_min", both("Điểm kẹt", "Congested"), "nút", 0, 10, 7, 6, age_s=5),
        ],
        "health": [
            Metric("er_arrivals_ph", both("Cấp cứu đến", "ER arrivals"), "ca/h", 0, 60, 205, 212, age_s=61),
            Metric("icu_free_pct", both("ICU trống", "ICU free"), "%", 0, 60, 11, 9, age_s=61),
            Metric("ambulances_free", both("Xe 115 rảnh", "Ambulances"), "xe", 0, 10, 41, 38, age_s=4),
        ],
        "environment": [
            Metric("rain_mm_h", both("Mưa", "Rain"), "mm/h", 0, 10, 2, 1, age_s=3),
            Metric("water_level_m", both("Triều Phú An", "Tide Phú An"), "m", 2, 10, 1.1, 1.18, age_s=3),
            Metric("noise_db", both("Tiếng ồn", "Noise"), "dB", 0, 10, 68, 69, age_s=3),
        ],
    }


def calm() -> Scene:
    """An evening on which nothing happens."""
    scene = Scene()
    scene.city["reports"] = [
        scene.report("1022", "Đèn đường không sáng", "Hẻm 41 Lê Quang Định", scene.named("Gia Định"), 900)
    ]
    return scene


def flood() -> Scene:
    """Heavy rain meets the tide."""
    scene = Scene()
    for name, now, severity in (
        ("speed_kmh", 18.4, "critical"),
        ("congested_min", 23, "warning"),
        ("rain_mm_h", 64, "warning"),
        ("water_level_m", 1.62, "critical"),
    ):
        for metrics in scene._metrics.values():
            for metric in metrics:
                if metric.name == name:
                    metric.now, metric.severity = float(now), severity
                if metric.name == "noise_db":
                    metric.age_s = 860
    scene.city["sectors"] = [scene._sector(name) for name in scene._metrics]
    scene.city["stage"] = {"level": 3, "name": both("Cảnh giác", "Vigilance"), "since": stamp(1800), "by": "Hương"}
    scene.city["statistics"] = {"alarms_hour": 7, "alarms_10min": 4}
    scene.city["reports_today"] = 41
    sai_gon, gia_dinh, thanh_my_tay = scene.named("Sài Gòn"), scene.named("Gia Định"), scene.named("Thạnh Mỹ Tây")
    flood_cm = {"metric": "flood_cm", "unit": "cm", "value": 46, "limit": 40}
    rain = {"metric": "rain_mm_h", "unit": "mm/h", "value": 64, "limit": 50, "severity": "warning"}
    slow = {"sector": "traffic", "metric": "speed_kmh", "unit": "km/h", "comparison": "<"}
    noise = {"metric": "noise_db", "unit": "dB", "value": 71, "limit": 70, "severity": "warning"}
    scene.open(
        scene.alert("Triều vượt báo động III", sai_gon, age_s=192, asset="PA-01"),
        scene.alert("Ngập hơn 40 cm", thanh_my_tay, age_s=167, **flood_cm),
        scene.alert(
            "Tốc độ sụt mạnh", gia_dinh, value=7, limit=12, state="acknowledged", owner="Hương", age_s=390, **slow
        ),
        scene.alert("Mưa rất to", scene.named("Bình Lợi Trung"), state="acknowledged", owner="Quân", age_s=665, **rain),
        scene.alert("Mưa rất to", scene.named("Bình Thạnh"), state="acknowledged", owner="Quân", age_s=660, **rain),
        scene.alert(
            "Nguồn tiếng ồn im lặng", scene.named("Tân Bình"), state="acknowledged", owner="IT trực", age_s=860, **noise
        ),
        scene.alert(
            "Kẹt xe kéo dài",
            scene.named("Cầu Kiệu"),
            value=22,
            limit=20,
            severity="warning",
            state="acknowledged",
            owner="Quân",
            age_s=121,
            **(slow | {"unit": "ph", "comparison": ">", "metric": "congested_min"}),
        ),
        scene.alert(
            "Bơm chạy dự phòng",
            scene.named("Nhiêu Lộc"),
            value=2,
            limit=1,
            severity="warning",
            state="returned_unacknowledged",
            age_s=41,
            metric="pump",
            unit="máy",
        ),
        scene.alert("Mưa to", scene.named("An Hội Tây"), state="acknowledged", owner="Quân", age_s=700, **rain),
    )
    scene.group(lambda alert: alert["state"] != "acknowledged" or alert["metric"] == "rain_mm_h")
    scene.city["reports"] = [
        scene.report("1022", "Nước tới yên xe", "92 Nguyễn Hữu Cảnh", thanh_my_tay, 120),
        scene.report("115", "Kẹt đường, cần mở lối", "Hàng Xanh → BV Nhân dân Gia Định", gia_dinh, 300),
        scene.report("113", "Va chạm 3 xe", "Hầm Thủ Thiêm, chiều Q.1", sai_gon, 1440),
    ]
    return scene


def crowded() -> Scene:
    """More alarms than fit: forty warnings, nine criticals, one emergency, one of a severity nobody knows."""
    scene = flood()
    core = [code for code, place in scene._places.items() if place.get("core")]
    rain = {"metric": "rain_mm_h", "unit": "mm/h", "value": 72, "limit": 50}
    for i in range(40):
        scene.open(scene.alert("Mưa rất to", core[i * 2], severity="warning", age_s=30 + i * 7, **rain))
    for i in range(7):
        scene.open(
            scene.alert(
                "Ngập hơn 40 cm", core[i * 3 + 1], metric="flood_cm", unit="cm", value=41 + i, limit=40, age_s=60 + i
            )
        )
    scene.open(
        scene.alert("Đê bao bị tràn", scene.named("An Khánh"), severity="emergency", value=1.91, limit=1.9, age_s=20)
    )
    scene.open(scene.alert("Cảnh báo nguồn ngoài", scene.named("Tân Mỹ"), severity="catastrophic", age_s=15))
    scene.city["statistics"] = {"alarms_hour": 58, "alarms_10min": 49}
    scene.city["flood"] = {"since": stamp(300)}
    scene.city["stage"] = {"level": 4, "name": both("Nguy cấp", "Critical"), "since": stamp(300)}
    return scene


def dead_feed() -> Scene:
    """The traffic feed has been gone for fourteen minutes."""
    scene = calm()
    scene.kill_feed("traffic", 860)
    return scene


def stalled() -> Scene:
    """It floods, and since 42 s nobody evaluates any rule."""
    scene = flood()
    scene.city["stage"] = {"level": 1, "name": both("Bình thường", "Normal"), "since": None, "by": None}
    scene.stop_engine(42, *scene._metrics)
    return scene


ALL: dict[str, Callable[[], Scene]] = {
    "calm": calm,
    "flood": flood,
    "crowded": crowded,
    "dead_feed": dead_feed,
    "stalled": stalled,
}
