"""Small extracts of the BAG, in the shape in which the Kadaster delivers them, with objects that are made up."""

import io
import zipfile
from pathlib import Path

_SPACES = {
    "Objecten": "www.kadaster.nl/schemas/lvbag/imbag/objecten/v20200601",
    "Objecten-ref": "www.kadaster.nl/schemas/lvbag/imbag/objecten-ref/v20200601",
    "Historie": "www.kadaster.nl/schemas/lvbag/imbag/historie/v20200601",
    "nen5825": "www.kadaster.nl/schemas/lvbag/imbag/nen5825/v20200601",
    "gml": "http://www.opengis.net/gml/3.2",
    "selecties-extract": "http://www.kadaster.nl/schemas/lvbag/extract-selecties/v20200601",
    "sl-bag-extract": "http://www.kadaster.nl/schemas/lvbag/extract-deelbestand-lvc/v20200601",
    "sl": "http://www.kadaster.nl/schemas/standlevering-generiek/1.0",
}
RING = "130000 460000 130010 460000 130010 460010 130000 460010 130000 460000"


def ring(text: str = RING, role: str = "exterior") -> str:
    return f"<gml:{role}><gml:LinearRing><gml:posList>{text}</gml:posList></gml:LinearRing></gml:{role}>"


def polygon(inside: str = ring(), name: str = "vlak", dimension: int = 2) -> str:
    attributes = f'srsName="urn:ogc:def:crs:EPSG::28992" srsDimension="{dimension}" gml:id="P1"'
    return f"<Objecten:{name}><gml:Polygon {attributes}>{inside}</gml:Polygon></Objecten:{name}>"


def point(text: str = "130005.5 460005.25 0.0", dimension: int = 3) -> str:
    attributes = f'srsName="urn:ogc:def:crs:EPSG::28992" srsDimension="{dimension}"'
    return f"<Objecten:punt><gml:Point {attributes}><gml:pos>{text}</gml:pos></gml:Point></Objecten:punt>"


def history(number: int = 1, more: str = "") -> str:
    return (
        f"<Objecten:voorkomen><Historie:Voorkomen><Historie:voorkomenidentificatie>{number}</Historie:voorkomenidentificatie>"
        "<Historie:beginGeldigheid>2010-05-01</Historie:beginGeldigheid>"
        "<Historie:tijdstipRegistratie>2010-05-03T09:10:11.000</Historie:tijdstipRegistratie>"
        f"{more}<Historie:BeschikbaarLV><Historie:tijdstipRegistratieLV>2010-05-03T09:30:00.125</Historie:tijdstipRegistratieLV>"
        "</Historie:BeschikbaarLV></Historie:Voorkomen></Objecten:voorkomen>"
    )


def reference(name: str, text: str) -> str:
    return f'<Objecten-ref:{name}Ref domein="NL.IMBAG.{name}">{text}</Objecten-ref:{name}Ref>'


def thing(element: str, inside: str, geometry: str = "", identifier: str = "0344100000000001", known: str | None = None) -> str:
    """An object with what all have."""
    shape = f"<Objecten:geometrie>{geometry}</Objecten:geometrie>" if geometry else ""
    return (
        f'<Objecten:{element}><Objecten:identificatie domein="NL.IMBAG.{element.capitalize()}">{identifier}'
        f"</Objecten:identificatie>{shape}{inside}<Objecten:status>In gebruik é</Objecten:status>"
        "<Objecten:geconstateerd>N</Objecten:geconstateerd><Objecten:documentdatum>2010-04-30</Objecten:documentdatum>"
        f"<Objecten:documentnummer>2010/7</Objecten:documentnummer>{history() if known is None else known}</Objecten:{element}>"
    )


YEAR = "<Objecten:oorspronkelijkBouwjaar>1931</Objecten:oorspronkelijkBouwjaar>"
_MAIN = f"<Objecten:heeftAlsHoofdadres>{reference('Nummeraanduiding', '0344200000000001')}</Objecten:heeftAlsHoofdadres>"
_FURTHER = "".join(reference("Nummeraanduiding", f"034420000000000{n}") for n in (2, 3))
ADDRESSES = f"{_MAIN}<Objecten:heeftAlsNevenadres>{_FURTHER}</Objecten:heeftAlsNevenadres>"
ONE_OF_EACH = {
    "PND": thing("Pand", YEAR, polygon(ring() + ring("130002 460002 130002 460004 130004 460004 130002 460002", "interior"))),
    "VBO": thing(
        "Verblijfsobject",
        "<Objecten:gebruiksdoel>woonfunctie</Objecten:gebruiksdoel><Objecten:gebruiksdoel>winkelfunctie</Objecten:gebruiksdoel>"
        f"<Objecten:oppervlakte>84</Objecten:oppervlakte>{ADDRESSES}"
        f"<Objecten:maaktDeelUitVan>{reference('Pand', '0344100000000001')}{reference('Pand', '0344100000000002')}"
        "</Objecten:maaktDeelUitVan>",
        point("130005.5 460005.25", 2),
    ),
    "NUM": thing(
        "Nummeraanduiding",
        "<Objecten:huisnummer>12</Objecten:huisnummer><Objecten:huisletter>A</Objecten:huisletter>"
        "<Objecten:huisnummertoevoeging>bis</Objecten:huisnummertoevoeging><Objecten:postcode>3511AB</Objecten:postcode>"
        "<Objecten:typeAdresseerbaarObject>Verblijfsobject</Objecten:typeAdresseerbaarObject>"
        f"<Objecten:ligtIn>{reference('Woonplaats', '3295')}</Objecten:ligtIn>"
        f"<Objecten:ligtAan>{reference('OpenbareRuimte', '0344300000000001')}</Objecten:ligtAan>",
    ),
    "OPR": thing(
        "OpenbareRuimte",
        "<Objecten:naam>Lange Laan &amp; Dijk</Objecten:naam><Objecten:type>Weg</Objecten:type>"
        "<Objecten:verkorteNaam><nen5825:VerkorteNaamOpenbareRuimte><nen5825:verkorteNaam>L Laan</nen5825:verkorteNaam>"
        f"</nen5825:VerkorteNaamOpenbareRuimte></Objecten:verkorteNaam><Objecten:ligtIn>{reference('Woonplaats', '3295')}"
        "</Objecten:ligtIn>",
    ),
    "LIG": thing("Ligplaats", ADDRESSES, polygon()),
    "STA": thing("Standplaats", ADDRESSES, polygon()),
    "WPL": thing(
        "Woonplaats",
        "<Objecten:naam>Nieuwdorp</Objecten:naam>",
        '<Objecten:multivlak><gml:MultiSurface srsName="urn:ogc:def:crs:EPSG::28992" srsDimension="2">'
        + "".join(f"<gml:surfaceMember><gml:Polygon>{ring(text)}</gml:Polygon></gml:surfaceMember>"
                  for text in (RING, "130020 460000 130030 460000 130030 460010 130020 460000"))
        + "</gml:MultiSurface></Objecten:multivlak>",
        "3295",
    ),
}  # fmt: skip


def extract(kind: str, *things: str) -> str:
    """A file of an extract."""
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _SPACES.items())
    stand = "".join(f"<sl:stand>\n<sl-bag-extract:bagObject>{each}</sl-bag-extract:bagObject></sl:stand>\n" for each in things)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<sl-bag-extract:bagStand {spaces}><sl-bag-extract:bagInfo>'
        "<selecties-extract:LVC-Extract><selecties-extract:StandTechnischeDatum>2021-02-15"
        "</selecties-extract:StandTechnischeDatum></selecties-extract:LVC-Extract></sl-bag-extract:bagInfo><sl:standBestand>"
        "<sl:dataset>LVBAG</sl:dataset><sl:inhoud><sl:gebied>Utrecht</sl:gebied><sl:leveringsId>0000000001</sl:leveringsId>"
        f"<sl:objectTypen><sl:objectType>{kind}</sl:objectType></sl:objectTypen></sl:inhoud>{stand}</sl:standBestand>"
        "</sl-bag-extract:bagStand>\n"
    )


def delivery(path: Path, *, of_each: int = 2) -> Path:
    """A whole extract of a municipality: an archive for each kind, in each several files, and a document."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr(
            "Leveringsdocument-BAG-Extract.xml", "<x:BAG-Extract-Levering xmlns:x='urn:x'><x:a>1</x:a></x:BAG-Extract-Levering>"
        )
        for kind, each in ONE_OF_EACH.items():
            part = io.BytesIO()
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                for number in range(1, of_each + 1):
                    archive.writestr(f"0344{kind}15022021-{number:06}.xml", extract(kind, each))
            whole.writestr(f"0344{kind}15022021.zip", part.getvalue())
    return path
