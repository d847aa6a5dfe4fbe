"""What the pages say, in English and German. What others wrote, and what a report says, stays as it is."""

from collections.abc import Mapping
from types import MappingProxyType

LANGUAGES = ("en", "de")

_TEXTS = {
    "datasets": ("Datasets", "Datensätze"),
    "activity": ("Activity", "Aktivität"),
    "skip": ("Skip to the content", "Zum Inhalt springen"),
    "search": ("Search", "Suchen"),
    "words": ("Words", "Wörter"),
    "words_hint": ("in ids, titles, columns", "in Kennungen, Titeln, Spalten"),
    "project": ("Project", "Projekt"),
    "uploader": ("Uploader", "Von"),
    "kind": ("Kind", "Art"),
    "any": ("any", "alle"),
    "sort": ("Order", "Reihenfolge"),
    "sort_name": ("by name", "nach Namen"),
    "sort_newest": ("newest first", "neueste zuerst"),
    "sort_features": ("most features first", "meiste Objekte zuerst"),
    "sort_size": ("largest first", "größte zuerst"),
    "dataset": ("Dataset", "Datensatz"),
    "title": ("Title", "Titel"),
    "version": ("Version", "Version"),
    "versions": ("Versions", "Versionen"),
    "of": ("of", "von"),
    "features": ("Features", "Objekte"),
    "geometry": ("Geometry", "Geometrie"),
    "crs": ("CRS", "Koordinatensystem"),
    "size": ("Size", "Größe"),
    "made": ("Made", "Erstellt"),
    "set_aside": ("Set aside", "Zurückgestellt"),
    "found": ("found", "gefunden"),
    "none_found": ("No dataset matches. Use fewer words.", "Kein Datensatz passt. Suchen Sie mit weniger Wörtern."),
    "no_dataset": ("The lake holds no dataset yet.", "Noch gibt es keinen Datensatz."),
    "deliver_one": ("This delivers one:", "So liefern Sie einen:"),
    "previous": ("Previous page", "Vorige Seite"),
    "next": ("Next page", "Nächste Seite"),
    "page": ("Page", "Seite"),
    "facts": ("Facts", "Eckdaten"),
    "extent": ("Extent", "Ausdehnung"),
    "owner": ("Owner", "Eigentümer"),
    "batch": ("Delivery", "Lieferung"),
    "changed": ("Changed on the way", "Unterwegs geändert"),
    "nothing": ("nothing", "nichts"),
    "current": ("current", "aktuell"),
    "is_current": ("This is the current version.", "Das ist die aktuelle Version."),
    "not_current": ("This is not the current version:", "Das ist nicht die aktuelle Version:"),
    "picture": ("Picture", "Bild"),
    "picture_of": ("Drawing of", "Zeichnung von"),
    "picture_note": (
        "All features, or an even sample of large datasets. The frame is the extent.",
        "Alle Objekte, bei großen Datensätzen eine gleichmäßige Auswahl. Der Rahmen ist die Ausdehnung.",
    ),
    "no_picture": ("There is no picture of this dataset.", "Von diesem Datensatz gibt es kein Bild."),
    "table": ("Table", "Tabelle"),
    "to_table": ("Show the table, sort and filter it", "Tabelle zeigen, sortieren und filtern"),
    "condition": ("Only rows that meet this condition", "Nur Zeilen, die diese Bedingung erfüllen"),
    "condition_hint": ("use = 'school' AND floors >= 3", "use = 'school' AND floors >= 3"),
    "sort_rows": ("as in the file", "wie in der Datei"),
    "direction": ("Direction", "Richtung"),
    "rising": ("rising", "aufsteigend"),
    "falling": ("falling", "absteigend"),
    "row": ("Row", "Zeile"),
    "rows": ("rows", "Zeilen"),
    "download": ("Download", "Herunterladen"),
    "with_lineage": ("with lineage", "mit Herkunft"),
    "download_note": (
        "With lineage: a ZIP with a second file, which says where the data come from and what the format cannot hold.",
        "Mit Herkunft: ein ZIP mit einer zweiten Datei, die sagt, woher die Daten kommen und was das Format nicht aufnimmt.",
    ),
    "csv_note": (
        "A CSV holds texts as they are: a spreadsheet may take one for a formula.",
        "Eine CSV-Datei enthält Texte, wie sie sind: Eine Tabellenkalkulation kann einen für eine Formel halten.",
    ),
    "map": ("Map", "Karte"),
    "map_of": ("Map of", "Karte von"),
    "map_keys": (
        "Arrow keys move it, plus and minus zoom, 0 shows everything, Enter shows what is in the middle.",
        "Pfeiltasten verschieben, Plus und Minus vergrößern und verkleinern, 0 zeigt alles, Enter zeigt, was in der Mitte ist.",
    ),
    "map_zoom_in": ("Zoom in", "Vergrößern"),
    "map_zoom_out": ("Zoom out", "Verkleinern"),
    "map_zoom_all": ("Show everything", "Alles zeigen"),
    "map_colour_by": ("Colour by", "Farbe nach"),
    "map_one_colour": ("one colour", "eine Farbe"),
    "map_no_value": ("no value", "kein Wert"),
    "map_other_value": ("other values, or none", "andere Werte oder keiner"),
    "map_counts": (
        "Colours are counts of features: zoom in to see each",
        "Farben sind Anzahlen: Vergrößern Sie, um einzelne Objekte zu sehen",
    ),
    "map_in_view": ("features in view", "Objekte im Ausschnitt"),
    "map_in_all": ("in all", "insgesamt"),
    "map_unplaced": ("have no place on the map", "haben keinen Ort auf der Karte"),
    "map_tile_failed": ("a part could not be fetched", "ein Teil ließ sich nicht laden"),
    "map_here": ("features here. Zoom in to see each.", "Objekte hier. Vergrößern Sie, um einzelne zu sehen."),
    "map_feature": ("Feature", "Objekt"),
    "map_close": ("Close", "Schließen"),
    "map_note": (
        "Land: Natural Earth, 1:110 million, at small scales. Lines are longitudes and latitudes (WGS 84).",
        "Land: Natural Earth, 1:110 Millionen, bei kleinen Maßstäben. Linien sind Längen und Breiten (WGS 84).",
    ),
    "columns": ("Columns", "Spalten"),
    "name": ("Name", "Name"),
    "type": ("Type", "Typ"),
    "meaning": ("Meaning", "Bedeutung"),
    "description": ("Description", "Beschreibung"),
    "contact": ("Contact", "Ansprechpartner"),
    "licence": ("Licence", "Lizenz"),
    "attribution": ("Attribution", "Namensnennung"),
    "tags": ("Tags", "Schlagwörter"),
    "retired": ("This dataset is not in use any more:", "Dieser Datensatz wird nicht mehr verwendet:"),
    "rules": ("Quality rules", "Qualitätsregeln"),
    "rule": ("Rule", "Regel"),
    "severity": ("Severity", "Strenge"),
    "finding": ("Found", "Befund"),
    "holds": ("holds", "eingehalten"),
    "files": ("Files", "Dateien"),
    "role": ("Role", "Rolle"),
    "lineage": ("Lineage", "Herkunft"),
    "no_lineage": (
        "The record is not there yet. `spatial-etl reconcile` finishes what a crash left.",
        "Der Eintrag fehlt noch. `spatial-etl reconcile` beendet, was ein Absturz übrig ließ.",
    ),
    "recipe": ("Recipe", "Rezept"),
    "engine": ("Engine", "Rechenwerk"),
    "compared": ("Compared with", "Verglichen mit"),
    "input": ("Input", "Eingabe"),
    "format": ("Format", "Format"),
    "layer": ("Layer", "Ebene"),
    "use": ("How to use it", "So verwenden Sie es"),
    "use_ogc": (
        "QGIS: add this address as a WFS / OGC API - Features connection",
        "QGIS: diese Adresse als Verbindung WFS / OGC API - Features",
    ),
    "use_stac": (
        "STAC: this version, for pystac-client, QGIS and others",
        "STAC: diese Version, für pystac-client, QGIS und andere",
    ),
    "use_file": ("GDAL and QGIS: the file", "GDAL und QGIS: die Datei"),
    "use_python": ("Python", "Python"),
    "use_duckdb": ("DuckDB (it fetches its extension httpfs once)", "DuckDB (lädt einmal seine Erweiterung httpfs)"),
    "use_r": ("R", "R"),
    "use_curl": ("curl", "curl"),
    "waiting": ("Waiting in the landing zone", "Wartet in der Eingangsablage"),
    "manifest": ("Manifest", "Manifest"),
    "uploaded": ("Uploaded", "Hochgeladen"),
    "batches": ("Deliveries", "Lieferungen"),
    "feed": ("The same as a feed (Atom)", "Dasselbe als Feed (Atom)"),
    "no_batch": ("No delivery has arrived yet.", "Noch ist keine Lieferung angekommen."),
    "status": ("Status", "Stand"),
    "received": ("Received", "Eingegangen"),
    "outcome": ("Outcome", "Ergebnis"),
    "letter": (
        "This delivery was not accepted, and nothing of it was stored. This is what to do:",
        "Diese Lieferung wurde nicht angenommen, nichts davon wurde gespeichert. Das ist zu tun:",
    ),
    "letter_end": (
        "When this is mended, deliver again under the same name. What was wrong here does not count any more then.",
        "Wenn das behoben ist, liefern Sie noch einmal unter demselben Namen. Was hier falsch war, zählt dann nicht mehr.",
    ),
    "problems": ("Problems", "Probleme"),
    "warnings": ("Warnings", "Warnungen"),
    "more": ("more are in the report", "weitere stehen im Bericht"),
    "where": ("Where", "Wo"),
    "remedy": ("What to do", "Was zu tun ist"),
    "attempts": ("Attempts", "Versuche"),
    "attempt": ("Attempt", "Versuch"),
    "started": ("Started", "Begonnen"),
    "ended": ("Ended", "Beendet"),
    "by": ("By", "Durch"),
    "unknown": ("unknown", "unbekannt"),
    "results": ("What it made", "Was daraus wurde"),
    "nothing_new": ("Nothing was new: the versions are those of", "Nichts war neu: Die Versionen sind die von"),
    "raw_manifest": ("The manifest as it came", "Das Manifest, wie es kam"),
    "other_manifests": ("Other manifests under this name", "Andere Manifeste unter diesem Namen"),
    "error": ("That did not work", "Das ging nicht"),
    "home": ("To the datasets", "Zu den Datensätzen"),
    "interfaces": ("OGC API", "OGC API"),
    "status_queued": ("queued", "wartet"),
    "status_running": ("running", "läuft"),
    "status_lost": ("lost", "verloren"),
    "status_success": ("success", "erfolgreich"),
    "status_failure": ("failure", "gescheitert"),
    "status_canceled": ("canceled", "abgebrochen"),
    "status_rejected": ("rejected", "abgelehnt"),
    "kind_vector": ("layer", "Ebene"),
    "kind_table": ("table", "Tabelle"),
}
"""By key: the text in each language."""

TEXTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        language: MappingProxyType({key: texts[number] for key, texts in _TEXTS.items()})
        for number, language in enumerate(LANGUAGES)
    }
)


def language_of(accept: str | None) -> str:
    """The language that a browser asks for: the first one of its list that there is, English otherwise."""
    wanted = []
    for number, part in enumerate((accept or "").split(",")[:20]):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            continue
        if (language := tag.partition("-")[0].lower()) in LANGUAGES and weight > 0:
            wanted.append((-weight, number, language))
    return min(wanted)[2] if wanted else LANGUAGES[0]
