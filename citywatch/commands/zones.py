"""`citywatch zones`: the city's map, real or schematic. What replaces it stands in the audit trail."""

import hashlib
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from access import audit
from access.errors import AccessError
from city.database import STORE_ERRORS
from city.settings import Settings
from city.zonefile import ZoneError, ZoneFile
from city.zones import ZoneMap
from citywatch.local import actor, permission
from citywatch.store import in_store

app = typer.Typer(no_args_is_help=True, help="The city's map: look at it, import a real one, make the schematic one.")

NAMED = 100
"""Zones that came or went which the audit trail names; of more it keeps the number."""
City = Annotated[Path | None, typer.Option("--city", help="The city's folder; default: CITYWATCH_CITY.")]


@app.command("show")
@permission("city.read")
def show(city: City = None) -> None:
    """Say what the map is made of."""
    zones = _load(_folder(city))
    kind = "schematic cells" if zones.schematic else "real boundaries"
    core = sum(zone.core for zone in zones.zones.values())
    typer.echo(f"{len(zones.zones)} zones, {core} of them core; {kind}")


@app.command("import")
@permission("zones.import")
def import_(
    file: Annotated[Path, typer.Argument(help="GeoJSON FeatureCollection in WGS 84, a feature a zone.")],
    city: City = None,
    code: Annotated[str | None, typer.Option(help="Property with the zone's code.")] = None,
    name_vi: Annotated[str | None, typer.Option(help="Property with the Vietnamese name.")] = None,
    name_en: Annotated[str | None, typer.Option(help="Property with the English name.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what would happen.")] = False,
) -> None:
    """Put real boundaries in place of the map there is; running services take them when they start again.

    Example: citywatch zones import wards.geojson --code ma_xa --name-vi ten_xa
    """
    from city.zoneimport import Fields, import_zones

    folder = _folder(city)
    before = _load(folder) if (folder / "zones.geojson").exists() else None
    try:
        imported = import_zones(file, Fields(code, name_vi, name_en), before, file.name)
    except ZoneError as error:
        raise _failed(str(error)) from error
    typer.echo(f"{len(imported.file.shapes)} zones with real boundaries")
    for what, codes in (
        ("repaired, because their shapes crossed themselves", imported.repaired),
        ("new", imported.appeared),
        ("gone; what names them (rules, events) is refused from now on", imported.vanished),
    ):
        if codes:
            typer.echo(f"{len(codes)} {what}: {', '.join(codes[:10])}{' …' if len(codes) > 10 else ''}")
    if not check:
        appeared, vanished = imported.appeared, imported.vanished
        told: dict[str, object] = {"file": file.name, "new": appeared[:NAMED], "gone": vanished[:NAMED]}
        told |= {"new_count": len(appeared), "gone_count": len(vanished)}
        _save(imported.file, folder, "zones.import", told)


@app.command("generate")
@permission("zones.import")
def generate(
    city: City = None,
    province: Annotated[str, typer.Option(help="Code of the province.")] = "79",
) -> None:
    """Make the schematic map from code, names, centroid and area of each ward (needs the package vietnamadminunits)."""
    from city.schematic import generate as make

    try:
        made = make(province)
    except ZoneError as error:
        raise _failed(str(error)) from error
    typer.echo(f"{len(made.shapes)} zones as schematic cells")
    _save(made, _folder(city), "zones.generate", {"province": province})


def _folder(city: Path | None) -> Path:
    return city if city is not None else Settings().city


def _load(folder: Path) -> ZoneMap:
    try:
        return ZoneMap.load(folder)
    except ZoneError as error:
        raise _failed(str(error)) from error


def _save(made: ZoneFile, folder: Path, action: str, told: dict[str, object]) -> None:
    """Put the map in place and append the act to the audit trail: both or neither."""
    path = folder / "zones.geojson"
    before = path.read_bytes() if path.exists() else None
    after = {"zones": len(made.shapes), "schematic": made.schematic, **told}

    async def work(pool: asyncpg.Pool) -> None:
        saved = False
        try:
            async with pool.acquire() as connection, connection.transaction():
                digest = hashlib.sha256(made.lines).hexdigest()
                summary = _summary(folder, before)
                await audit.append(connection, actor(), action, f"map {path}", summary, {"sha256": digest, **after})
                try:
                    made.save(path)
                except OSError as error:
                    sentence = f"{path} can't be written: {error.strerror}; copy the folder and name it by --city"
                    raise AccessError("unwritable", sentence) from error
                saved = True
        except STORE_ERRORS:
            if saved:  # the row did not come to stand
                _put_back(path, before)
            raise

    in_store("zones", work)
    typer.echo(f"wrote {path}")


def _summary(folder: Path, content: bytes | None) -> dict[str, object] | None:
    """What the audit trail keeps of the map that was there; one that can't be read has a hash only."""
    if content is None:
        return None
    found: dict[str, object] = {"sha256": hashlib.sha256(content).hexdigest()}
    try:
        zones = ZoneMap.load(folder)
    except ZoneError:
        return found
    return {**found, "zones": len(zones.zones), "schematic": zones.schematic}


def _put_back(path: Path, content: bytes | None) -> None:
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def _failed(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(1)
