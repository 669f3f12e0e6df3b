"""`citywatch zones`: the city's map, real or schematic."""

from pathlib import Path
from typing import Annotated

import typer

from city.settings import Settings
from city.zonefile import ZoneError, ZoneFile
from city.zones import ZoneMap
from citywatch.local import permission

app = typer.Typer(no_args_is_help=True, help="The city's map: look at it, import a real one, make the schematic one.")

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
        _save(imported.file, folder)


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
    _save(made, _folder(city))


def _folder(city: Path | None) -> Path:
    return city if city is not None else Settings().city


def _load(folder: Path) -> ZoneMap:
    try:
        return ZoneMap.load(folder)
    except ZoneError as error:
        raise _failed(str(error)) from error


def _save(file: ZoneFile, folder: Path) -> None:
    path = folder / "zones.geojson"
    try:
        file.save(path)
    except OSError as error:
        raise _failed(f"{path} can't be written: {error.strerror}; copy the folder and name it by --city") from error
    typer.echo(f"wrote {path}")


def _failed(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(1)
