"""The registry of all codes of problems and warnings: what each means, and what to do as a rule.

The reference page of the codes is made from it. The message of a problem says more: it names the file, the place and the value.
This is data only: no code of the program decides by it. ``tests/unit/test_codes.py`` fails for a code that the source uses and
that is not here, and for one that is here and that nothing uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Severity(StrEnum):
    """What a code does to its batch."""

    PROBLEM = "problem"
    """The batch is rejected, or failed. Nothing of it is loaded."""
    WARNING = "warning"
    """The batch is loaded, and the report has the warning."""
    EITHER = "problem or warning"
    """It depends: often, on whether all features are concerned or only some."""


@dataclass(frozen=True)
class Code:
    """What a code means.

    Attributes:
        severity: What it does to the batch.
        meaning: One sentence.
        remedy: What to do as a rule.
    """

    severity: Severity
    meaning: str
    remedy: str


def _problem(meaning: str, remedy: str) -> Code:
    return Code(Severity.PROBLEM, meaning, remedy)


def _warning(meaning: str, remedy: str) -> Code:
    return Code(Severity.WARNING, meaning, remedy)


def _either(meaning: str, remedy: str) -> Code:
    return Code(Severity.EITHER, meaning, remedy)


GROUPS: Mapping[str, Mapping[str, Code]] = MappingProxyType(
    {
        "Manifest": {
            "bad_description": _problem(
                "What is to be said of a dataset is too long, or has control characters.", "Shorten it, and leave them out."
            ),
            "bad_identifier": _problem(
                "An identifier has characters that are not allowed.", "Use 1 to 128 letters, digits, '.', '_' or '-'."
            ),
            "bad_options": _problem(
                "The options of a CSV contradict each other.", "Give 'x' and 'y', or 'wkt', or none of them."
            ),
            "bad_path": _problem(
                "A path does not lie in the landing zone.", "Upload the file there, and give its path as s3://<landing bucket>/…"
            ),
            "bad_sha256": _problem("A checksum is not a SHA-256.", "Give 64 lower-case hexadecimal digits, or leave it out."),
            "batch_done": _problem("The batch was processed before, with another manifest.", "Choose another 'batch_id'."),
            "batch_id_mismatch": _problem(
                "The manifest's name is not its 'batch_id'.", "Upload it as manifests/<batch_id>.json."
            ),
            "batch_running": _problem("The batch is being processed.", "Wait for its end, or choose another 'batch_id'."),
            "batch_waiting": _problem(
                "Another manifest waits under the same batch_id. It was left as it is.", "Choose another 'batch_id', or wait."
            ),
            "dataset_id_case": _either(
                "An identifier differs from that of another dataset by case alone.",
                "Write it as the other one, or choose another.",
            ),
            "dataset_id_not_used": _warning(
                "'metadata.dataset_id' names no dataset, since there are several.", "Give each file a 'dataset_id'."
            ),
            "dataset_id_taken": _problem(
                "Two files or layers of the batch would become the same dataset.", "Give each a 'dataset_id' of its own."
            ),
            "duplicate_file": _problem("A file is listed twice.", "List it once, or name a different 'layer' in each entry."),
            "empty": _problem("A value of the manifest is empty.", "Write a value, or leave the key out."),
            "encoding_ignored": _warning(
                "'encoding' has no use for this format.", "Leave it out, and check that the text is right."
            ),
            "file_awaited": _problem(
                "Another file lies where one is to be uploaded, and a manifest that waits names it. It was left as it is.",
                "Put yours into another folder, or wait for that batch's report.",
            ),
            "file_taken": _problem(
                "A file of another batch, or whose delivery has no report yet, lies where one is to be uploaded, or would be "
                "read with it. It was left as it is.",
                "Put yours into another folder, or upload with `--replace`, if it is yours.",
            ),
            "geometry_ignored": _warning("'geometry' has no use for this format.", "Leave it out."),
            "input_is_output": _problem("A dataset would be made from itself.", "Give what is made another 'dataset_id'."),
            "manifest_left": _warning(
                "The manifest was dealt with, and could not be moved to the archive.", "Remove it from manifests/."
            ),
            "manifest_not_json": _problem("The manifest is not valid JSON.", "Correct the JSON."),
            "manifest_replaced": _problem(
                "Another manifest took its place in manifests/ before it was processed.", "Upload it under another 'batch_id'."
            ),
            "manifest_too_large": _problem(
                "The manifest, or its record, is too large.", "Split the batch into several manifests."
            ),
            "missing_key": _problem("A key of the manifest is missing.", "Add it."),
            "mode_differs": _problem(
                "Two files go into the same dataset in two ways.", "Give them the same 'mode', 'key' and 'schema'."
            ),
            "more_problems": _problem("There are more problems than the list shows.", "Correct those that are shown first."),
            "never_processed": _problem("A batch that is to be processed again never was.", "Deliver it first."),
            "no_inputs": _problem("A dataset that was made from files is to be refreshed.", "Use 'spatial-etl reprocess BATCH'."),
            "no_key": _warning("'keep_key' has no use for this file.", "Leave it out."),
            "not_allowed": _problem("A value is not one of those that are allowed.", "Use one that the message lists."),
            "options_ignored": _warning(
                "Something that the manifest says of a file has no use for its format.", "Leave them out, or correct 'format'."
            ),
            "other_title": _either(
                "The name of a file or layer makes the identifier of a dataset that was called otherwise.",
                "Give it a 'dataset_id': that of this dataset, or another one.",
            ),
            "project_not_used": _warning(
                "The project's name has no letter or digit.", "Write it with letters or digits, or leave it out."
            ),
            "same_as_before": _warning(
                "A version is byte for byte the one before it.", "Look whether the right files were delivered."
            ),
            "too_long": _problem("A value or a list of the manifest is too long.", "Shorten or split it."),
            "unchanged": _warning(
                "The same manifest was delivered again, and its files are the same: nothing was made.",
                "Nothing has to be done. `spatial-etl reprocess BATCH` makes new versions nevertheless.",
            ),
            "unknown_dataset": _problem("A dataset that is to be read does not exist.", "See 'spatial-etl datasets'."),
            "unknown_intent": _either(
                "No recipe has the name of the intent; the default was used, unless a setting refuses it.",
                "See 'spatial-etl recipes'.",
            ),
            "unknown_key": _problem("A key of the manifest is not known.", "Correct its spelling, or move it under 'metadata'."),
            "unreadable_manifest": _problem(
                "The manifest cannot be read from the landing zone.", "Make it readable for the platform."
            ),
            "wrong_type": _problem("A value of the manifest has the wrong JSON type.", "Write the type that the message names."),
        },
        "Quality": {
            "bad_rule": _problem(
                "A quality rule cannot be read, or does not fit the dataset.",
                "See 'Check what must hold' for all rules and their keys.",
            ),
            "rule_failed": _either(
                "A quality rule does not hold.", "Correct the data, or the rule; its 'severity' says what becomes of the batch."
            ),
        },
        "Upload": {
            "changed_while_read": _problem("A file changed while it was read.", "Upload it whole, then the manifest."),
            "component_outside": _problem(
                "A seamless table names a table outside of its folder.", "Put all its tables into its folder."
            ),
            "empty_file": _problem("A file has no bytes.", "Upload it again."),
            "format_mismatch": _problem("A file is not of its declared format.", "Correct 'format', or upload the right file."),
            "missing_file": _problem("A file is not in the landing zone.", "Upload it or correct the path."),
            "missing_sidecar": _problem(
                "A file lacks another that belongs to it, such as the .dbf of a .shp.", "Upload all of them to one folder."
            ),
            "not_delivered": _problem("A local file cannot be delivered as it was named.", "Correct what the message names."),
            "read_as_table": _warning(
                "A MapInfo table has no files with geometry, and is read without.", "Upload its .map and .id, if there are any."
            ),
            "sha256_mismatch": _problem(
                "A file has another SHA-256 than the manifest says.", "Upload it again, or correct the checksum."
            ),
            "sidecars_made": _warning(
                "Files that belong to a Shapefile or a MIF were missing, and made again as far as possible.",
                "Upload them, if there are any.",
            ),
            "unfinished_transaction": _problem(
                "A database file was copied while a program wrote to it.", "Close it there, then upload it."
            ),
            "unknown_format": _problem("The format is not known or not read.", "Use a format of the list of formats."),
            "unreadable_file": _problem("A file cannot be read from the landing zone.", "Make it readable for the platform."),
        },
        "Archives": {
            "archive_damaged": _problem("The ZIP archive cannot be unpacked.", "Make it again without a password."),
            "archive_nested": _problem("The archive holds another archive.", "Submit the inner archive."),
            "archive_partly_read": _warning("The archive also holds data that was not read.", "Submit it as a file of its own."),
            "archive_too_large": _problem("The archive, or what it holds, is too large.", "Split it."),
            "archive_unsafe": _problem(
                "The archive has entries with unsafe or repeated names.", "Make it again from plain files."
            ),
            "archive_without_data": _problem(
                "The archive holds no file of the declared format.", "Correct 'format', or check the archive."
            ),
            "documents_not_read": _warning(
                "The archive also holds documents, which were not read.", "Nothing, unless one of them is data."
            ),
        },
        "Coordinates and their reference system": {
            "ballpark_transformation": _warning(
                "No transformation between the two datums is known.", "Name a CRS with a known datum."
            ),
            "coordinates_doubtful": _warning("All coordinates look like degrees, but the CRS is in metres.", "Check the CRS."),
            "coordinates_impossible": _either(
                "Coordinates cannot lie in the CRS.", "Correct the CRS, the order of axes or the coordinates."
            ),
            "coordinates_outside_crs": _either(
                "Coordinates lie outside of the CRS's area of use.", "Check the CRS and the order of axes."
            ),
            "crs_code_not_epsg": _warning(
                "A code was written as EPSG's, but is Esri's or Google's.", "Write the right authority."
            ),
            "crs_mismatch": _problem(
                "The file and the manifest name different CRSs.",
                'Correct the one that is wrong; "replace_crs": true if that is the file.',
            ),
            "crs_missing": _problem("Neither the file nor the manifest names a CRS.", "Give 'crs' in the manifest, or \"none\"."),
            "crs_mixed": _problem("One layer has coordinates in several CRSs.", "Write them in one, or as a file for each."),
            "crs_replaced": _warning(
                "The file names another CRS than the manifest, which was taken instead, as 'replace_crs' says.",
                "Correct the file, so that others read it right.",
            ),
            "epoch": _warning("The epoch of the coordinates is not kept.", "Note it under 'metadata', if it matters."),
            "inexact_datum_shift": _warning(
                "The exact transformation needs a grid that is not installed.", "Use the intent 'keep_crs', where it matters."
            ),
            "missing_crs": _problem(
                "A step needs a CRS, but the coordinates are local.", "Give the CRS, or use the intent 'keep_crs'."
            ),
            "unknown_crs": _problem(
                "A CRS is not known or not understood.", "Write an authority code such as EPSG:4326, or WKT."
            ),
            "unprojectable": _problem(
                "Coordinates cannot be transformed to the target CRS.", "Check the CRS and the coordinates."
            ),
            "wrong_unit": _problem(
                "A length has a unit that does not fit the CRS.", "Give it in a unit of the CRS, or reproject before."
            ),
        },
        "Geometry": {
            "bad_coordinate": _problem("A coordinate is missing or is not a number.", "Correct it."),
            "broken_surface": _warning(
                "A surface in space has a face that crosses itself, and is kept as it is.", "Correct the face at its source."
            ),
            "collapsed": _warning(
                "A geometry without area or length became a line or a point.", "Correct it, or use the intent 'raw'."
            ),
            "damaged_geometry": _problem("A geometry cannot be decoded.", "Repair or remove it."),
            "edges": _warning("Edges are not planar in the file; they are read as planar.", "Densify long edges first."),
            "empty_points": _warning(
                "Points without coordinates are read as missing geometries.", "Write null where there is no geometry."
            ),
            "geometry_lost": _problem("A geometry stands where it would not be read.", "Write one geometry for each feature."),
            "height_not_finite": _problem(
                "A height is not a finite number, and a step has to compute with it.", "Correct it, or use 'force_2d' before."
            ),
            "heights_missing": _warning(
                "Some positions of a geometry have no height; they get 0.", "Give all positions a height, or none."
            ),
            "irreparable": _problem("A geometry cannot be made valid.", "Correct it, or use the intent 'raw'."),
            "mixed_heights": _problem("Features with and without heights would be united.", "Put a step 'force_2d' before."),
            "no_geometry": _problem(
                "A geometry is needed, and the table has none.", "Declare the file as 'tabular', or use another intent."
            ),
            "rings_closed": _warning(
                "Rings did not end where they begin; they were closed.", "Check these polygons at their source."
            ),
            "rings_collapsed": _warning(
                "Rings that simplification had collapsed to a point or a line were left out.", "Use the data as it was before."
            ),
            "second_geometry": _warning(
                "A second geometry column is kept as an attribute (WKB).", "Submit it as a dataset of its own."
            ),
            "surface_not_dissolved": _problem(
                "A surface in space cannot be united with others.", "Put a step 'force_2d' before."
            ),
            "unclosed_ring": _problem(
                "A ring of a polygon does not end where it begins.",
                'Write its first position again as its last; or "on_bad_geometry": "fix".',
            ),
            "unknown_geometry": _problem(
                "'geometry' names none of the geometries of the file.", "Give a name that the message lists, or leave it out."
            ),
            "unknown_geometry_type": _problem("A geometry has a type that the format does not have.", "Correct the type."),
        },
        "Columns and values": {
            "attachments": _warning(
                "A table holds attachments of another.", "Join the two datasets on the columns that are named."
            ),
            "bad_value": _problem("A value is not of its column's type.", "Correct the value."),
            "coded_values": _warning(
                "Columns hold codes of a domain, which are kept as codes.", "Read the labels from the lake file's metadata."
            ),
            "column_not_read": _problem("A column would be lost, because of its type.", "Give it another type, or take it out."),
            "column_notes_differ": _warning(
                "Files of one dataset give a column different titles or domains; they are dropped.", "Make them alike."
            ),
            "column_notes_ignored": _warning(
                "The titles and domains in a file's metadata are not understood.", "Write them as lake files have them."
            ),
            "domain_not_read": _warning("The domain of a column cannot be read.", "Correct it at its source."),
            "empty_numbers": _warning(
                "Empty numbers are read as 0, as the format demands.", "Use a format that has empty numbers."
            ),
            "field_type_differs": _warning(
                "Values of a column are not of the type that the file declares.", "Correct the values or the declaration."
            ),
            "geojson_spelling": _warning(
                "GeoJSON is written otherwise than RFC 7946 has it, and was read all the same.", "Nothing has to be done."
            ),
            "integer_lost": _problem("An integer would be rounded.", "Write the column as text, or use GeoPackage."),
            "key_kept": _warning(
                "A key is kept, because another table refers to it.", "Nothing, or use the intent 'select' without it."
            ),
            "key_left_out": _warning(
                "A key to which another table refers is left out.", 'Write "keep_key": true in the entries of all files.'
            ),
            "memos_not_read": _warning(
                "Texts of a dBASE table stand in a file that is not there, or its values are no texts: the column is empty.",
                "Upload the .dbt or .fpt beside the .dbf.",
            ),
            "mixed_time_zones": _either("Times of a column have different time zones, or some have none.", "Write all in UTC."),
            "not_storable": _problem("PostGIS cannot keep a value as it is.", "Correct it, or process the batch on DuckDB."),
            "not_utf8": _warning("JSON is in another encoding than UTF-8.", "Nothing has to be done."),
            "nul_character": _problem("A text holds the character NUL.", "Remove it from the text."),
            "relationship": _warning(
                "A relationship between tables is not kept as such.", "Join the datasets on the columns that are named."
            ),
            "relationships_not_read": _warning("Relationships in the file cannot be read.", "Check them at their source."),
            "repeated_key": _problem("A map has a key twice.", "Leave one value for each key."),
            "schema_mismatch": _problem(
                "Files of one dataset have different columns or types.", "Make them alike, or give each a 'dataset_id'."
            ),
            "text_behind_nul": _warning(
                "Texts go on behind a NUL character, where they are cut.", "Write the file without NUL characters."
            ),
            "times_cut": _warning("Times are cut to milliseconds.", "Use GeoPackage, where that matters."),
            "times_without_t": _warning(
                "Times have a blank in the place of the T, and were read all the same.", "Nothing has to be done."
            ),
            "too_many_columns": _problem(
                "The steps read more columns than the engine can hold.", "Name fewer columns in the steps."
            ),
            "type_mismatch": _problem("A file is declared as a table, but has geometry.", 'Write "type": "vector".'),
            "unknown_type": _problem("A column has a type that cannot be kept.", "Write it with another type, or leave it out."),
            "unsupported_field": _problem(
                "A dBASE column has a type that is not read.", "Write the file again, without that column."
            ),
            "unsupported_type": _problem(
                "A column has a type whose values cannot be kept as they are.", "Write it in another type, or leave it out."
            ),
            "value_lost": _problem(
                "A value would be lost or changed when it is read.", "Correct it, or write the column as text."
            ),
            "values_not_read": _warning(
                "Values that the schema does not declare are not read.", "Declare them, or leave the schema out."
            ),
            "values_replaced": _warning("A value takes the place of another of the same name.", "Give one another name."),
        },
        "Policies": {
            "empty_positions_dropped": _warning(
                "Empty positions of tracks were left out, as a policy says.", "Nothing has to be done."
            ),
            "made_null": _warning("Values that cannot be kept became null, as a policy says.", "Correct them in their source."),
            "set_aside": _warning(
                "Features were set aside, as a policy says: they are in rejects.parquet beside the data.",
                "Correct them in their source, and deliver it again.",
            ),
            "too_many_set_aside": _problem(
                "More features would be set aside than are allowed.", "Correct the source, or set 'max_set_aside'."
            ),
        },
        "Versions": {
            "columns_changed": _either(
                "A new version has columns that are new, gone, or of another type.",
                "Say 'on_change': {'columns': 'allow'} if it is meant.",
            ),
            "crs_changed": _either(
                "A new version has another CRS than the one before.", "Say 'on_change': {'crs': 'allow'} if it is meant."
            ),
            "dataset_retired": _problem(
                "A new version of a dataset that is retired was delivered.", "Use `spatial-etl restore`, or another 'dataset_id'."
            ),
            "diff_key_not_unique": _problem(
                "Two versions are compared by a column whose values are missing or stand more than once.",
                "Name a column with another value in each feature, or none: then whole features are compared.",
            ),
            "extent_elsewhere": _either(
                "A new version lies apart from the one before.", "Say 'on_change': {'extent': 'allow'} if it is meant."
            ),
            "far_fewer_features": _either(
                "A new version has no features, or a tenth or less of those before.",
                "Say 'on_change': {'features': 'allow'} if it is meant.",
            ),
            "geometry_types_changed": _either(
                "A new version has other types of geometry than the one before.",
                "Say 'on_change': {'geometry_types': 'allow'} if it is meant.",
            ),
            "kind_changed": _either(
                "A new version is a table and the one before a layer, or the other way round.",
                "Give it a 'dataset_id' of its own, or say 'on_change': {'kind': 'allow'}.",
            ),
            "lake_file_damaged": _problem(
                "A file of the lake is gone, or is not what the ledger recorded.", "Run 'spatial-etl verify --repair'."
            ),
            "owned_by_another": _either(
                "The dataset belongs to another project and another uploader.",
                "Give it a 'dataset_id' of its own, or ask its owner: spatial-etl admin grant DATASET --to NAME.",
            ),
            "version_incomplete": _problem(
                "A file of a version that is to be the current one is not in the lake.", "Restore it from a backup, or replay it."
            ),
            "version_not_compared": _warning(
                "Another run makes a version of the same dataset at the same time.", "Compare the two by 'spatial-etl show'."
            ),
        },
        "Growing versions": {
            "key_missing": _problem("A column of the key is not there.", "Correct 'key', or deliver the column."),
            "key_not_unique": _problem("Features have the same key.", "Deliver each once, or add columns to the 'key'."),
            "key_null": _problem("Features have no value in the key.", "Give every feature a key, or take another 'key'."),
            "key_taken": _problem(
                "Features that are to be added have keys that are there already.", "Use the mode 'upsert' to replace them."
            ),
            "key_type": _problem(
                "The key has a type that cannot be compared exactly, or another one than in the dataset.",
                "Deliver it in the type of the dataset: text, whole numbers or dates.",
            ),
            "key_unknown": _warning("Keys that are to be deleted are not there.", "Nothing, or compare the keys."),
            "no_version": _either(
                "There is no version that could grow: the first one is made, or there is nothing to delete from.",
                "Check 'dataset_id'.",
            ),
            "not_made_again": _problem(
                "A batch has grown a dataset already, and would grow it once more.", "Use 'spatial-etl replay' to check it."
            ),
            "schema_differs": _problem(
                "A delivery has other columns, or another CRS, than the dataset that it is to grow.",
                "Deliver it alike, or say 'schema': 'widen'.",
            ),
            "schema_widened": _warning("A version has got columns, or larger types, as 'schema' allows.", "Nothing."),
        },
        "Text": {
            "column_name_cut": _warning("The name of a column was cut within a character.", "Nothing."),
            "encoding_contradicted": _warning(
                "The file's byte order mark differs from 'encoding'.", "Leave 'encoding' out, if text came out wrong."
            ),
            "encoding_found": _warning(
                "The encoding was found by the letters of the text.", "Set 'encoding' if names with accents are wrong."
            ),
            "unknown_encoding": _problem(
                "A character encoding is not known.", "Write a common name, such as UTF-8 or windows-1252."
            ),
            "wrong_encoding": _problem("Text is not in the encoding that is named.", "Set 'encoding' of the file."),
        },
        "Delimited text": {
            "coordinates_missing": _warning(
                "Words such as NA stand where coordinates are expected: these features have no geometry.",
                "Nothing, if there is no position.",
            ),
            "csv_bad_delimiter": _problem(
                "The delimiter is not possible.", "Use one ASCII character other than the double quote."
            ),
            "csv_bad_geometry": _problem("A row has no coordinate or geometry where one is expected.", "Correct the row."),
            "csv_columns_found": _warning(
                "The columns of the geometry were found by their names.",
                "Set 'options' x and y, or 'geometry', if they are others.",
            ),
            "csv_geometry_unknown": _problem(
                "The columns of the geometry are not named.", "Set 'options' x and y, or 'geometry'; or declare it as 'tabular'."
            ),
            "csv_no_header": _problem("The file has no line with column names.", "Write the names to the first line."),
            "csv_no_such_column": _problem("A column of 'options' is not in the file.", "Correct 'options'."),
            "csv_open_quote": _problem("A double quote is never closed.", "Close it, or double it."),
            "csv_ragged": _problem(
                "A row has more or fewer values than the header.",
                "Correct the row, set 'options.delimiter', or set such rows aside.",
            ),
            "csv_row_too_long": _problem("A row is too long.", "Close open quotes, or use another format."),
            "csv_several_crs": _problem("The geometries of a column are in several CRSs.", "Write them in one CRS."),
            "csv_title_lines": _warning(
                "Lines above the column names, such as a title, were not read.",
                "Give the line of the names by 'header', if it is another.",
            ),
            "decimal_comma": _warning(
                "Numbers with a decimal comma were found and read so.", "Set 'options.decimal' to '.' if it is not one."
            ),
        },
        "Spreadsheets": {
            "password_protected": _problem("The file has a password.", "Save it without one."),
            "sheet_bad_date": _problem("A cell of dates holds no date.", "Correct the cell."),
            "sheet_empty": _warning("A sheet is empty and was skipped.", "Nothing."),
            "sheet_empty_rows": _warning("Rows without a value were skipped.", "Nothing."),
            "sheet_error_cell": _problem(
                "A cell holds an error, or a formula without a result.", "Correct or clear it, and save the file."
            ),
            "sheet_hidden": _warning("A hidden sheet was read.", "Choose another one by 'layer' if it is not wanted."),
            "sheet_merged_cells": _warning("Cells are merged: the first one has the value.", "Undo it where each row needs it."),
            "sheet_mixed_types": _warning("A column holds numbers and text; it is text.", "Correct the cells that are wrong."),
            "sheet_no_header": _problem("The row with the column names is not found.", "Set 'options.header'."),
            "sheet_rows_above_header": _warning("Rows above the column names were skipped.", "Set 'options.header' if need be."),
            "sheet_times_as_text": _warning("Times of day and durations are kept as text.", "Nothing."),
            "sheet_without_cells": _warning("A sheet is a chart or a dialog and was skipped.", "Nothing."),
        },
        "Reading": {
            "circles_to_points": _warning(
                "Circles are read as their centres; the radius is an attribute.", "Buffer the points, if areas are wanted."
            ),
            "commented_out": _warning(
                "GeoJSON in comments of a web page was not read.", "Take it out of the comment, if it is wanted."
            ),
            "count_mismatch": _problem("There are not as many features as the file says.", "Upload the whole file again."),
            "cut_by_tiles": _warning(
                "The features are pieces, as vector tiles hold them.", "Ask for the data that the tiles were made from."
            ),
            "damaged": _problem("The file is damaged.", "Write it again with the program that made it."),
            "elements_not_read": _warning(
                "Elements that are not features were not read.", "Nothing, unless there should be more features."
            ),
            "entities_not_read": _warning("Entities of a drawing were not read.", "Convert them to points, lines or polygons."),
            "expands_too_much": _problem(
                "The rows of the file come to far more bytes than the file has.",
                "Take out views that join each row with all others, or ask the operator to raise the limit.",
            ),
            "extensions_not_read": _warning(
                "Extensions of the points of a GPX's tracks and routes, such as heart rates, are not read.",
                "Convert the file to CSV or GeoJSON by a program that keeps them.",
            ),
            "features_lost": _problem(
                "The schema beside the file does not list all features.", "Upload the right schema, or none."
            ),
            "gdal_warning": _warning("GDAL reports something else.", "Check that the data is as you expect it."),
            "geoparquet_encoding": _problem("The geometry is not WKB, nor a known native encoding.", "Write it as WKB."),
            "geoparquet_metadata": _problem("The GeoParquet metadata is wrong.", "Write the file again."),
            "internal_table_skipped": _warning(
                "A table of a program, such as QGIS's styles, is not read.", "Name it as 'layer', if it is wanted."
            ),
            "link_not_followed": _warning("The file links to others, which are not loaded.", "Submit those files, too."),
            "members_not_read": _warning(
                "Members of GeoJSON features other than properties are not read.", "Put them into 'properties'."
            ),
            "no_features": _either(
                "The file has no features, or nothing that is read as a feature.", "Check that it is the right file."
            ),
            "no_layers": _problem("The file has no layers.", "Check that it is the right file."),
            "nothing_to_do": _problem("No file of the batch has a layer.", "Check that these are the right files."),
            "one_page_of_many": _warning("The file is one page of a larger answer of a server.", "Download all pages."),
            "osm_elements_not_read": _warning(
                "Relations or ways of OpenStreetMap have no feature.",
                "Take an extract with complete relations, if they are wanted.",
            ),
            "read_crashed": _problem("The reading process ended too early.", "Check the file in another program."),
            "read_out_of_memory": _problem(
                "The file needs more memory than is allowed.", "Split it, or raise SPATIAL_ETL_READ_MEMORY_MB."
            ),
            "read_timeout": _problem(
                "Reading takes longer than is allowed.", "Split the file, or raise SPATIAL_ETL_READ_SECONDS."
            ),
            "remote_reference": _problem(
                "The file refers to something on the network, which is never fetched.", "Put it into the file itself."
            ),
            "table_not_registered": _warning(
                "A table of a GeoPackage is not registered, and not read.", "Register it in gpkg_contents."
            ),
            "truncated": _problem("The end of the file is missing.", "Upload it again."),
            "unknown_layer": _problem("The file has no layer of that name.", "Use a name that the message lists."),
            "unreadable": _problem(
                "The file has nothing that can be read as features or a table.", "Check the file and 'format'."
            ),
            "view_not_read": _warning("A view of a database is not read.", "Name it as 'layer', if it is wanted."),
            "virtual_table_not_read": _warning(
                "A virtual table of a database is not read.", "Copy its rows into an ordinary table, if they are wanted."
            ),
        },
        "Rasters": {
            "bands_changed": _either(
                "The bands are others than in the version before.", "Check the file; 'on_change' says what becomes of it."
            ),
            "pixels_changed": _either(
                "The size in pixels is another than in the version before.",
                "Check the file; 'on_change' says what becomes of it.",
            ),
            "raster_categories_mixed": _problem(
                "A resampling would make values that are no categories of the raster.",
                'Use "resampling": "nearest" or "mode".',
            ),
            "raster_compression": _problem(
                "The pixels are compressed in a way that is not read.",
                "Write them with DEFLATE: gdal_translate -co COMPRESS=DEFLATE",
            ),
            "raster_mask_not_kept": _problem(
                "Bands have masks of their own, which a GeoTIFF cannot keep.", "Write one mask for all bands, or nodata values."
            ),
            "raster_metadata_not_kept": _warning(
                "A GeoTIFF cannot keep some metadata of the source. They are counted.",
                'Write "raw": "keep" to keep the raw file.',
            ),
            "raster_needs_nodata": _problem(
                "A raster is warped, and has no value for pixels without data.", 'Give the parameter "nodata".'
            ),
            "raster_nodata_differs": _problem(
                "The bands have different nodata values.", "Write the same nodata value into all bands."
            ),
            "raster_not_kept": _problem(
                "A GeoTIFF would not say the same as the source.", "Write the raster as GeoTIFF, and submit that file."
            ),
            "raster_not_placed": _problem(
                "Nothing says where the raster lies.", 'Upload its world file beside it, or write "crs": "none".'
            ),
            "raster_several": _problem(
                "The file holds several rasters.", "Write each as a file of its own: gdal_translate -sds in.tif out.tif"
            ),
            "raster_step_failed": _problem(
                "GDAL cannot do a step of the recipe.", "Correct the parameter that the message names."
            ),
            "raster_type_not_kept": _problem(
                "Pixels are of a type that is not kept, or the bands have several types.", "Write them as another type."
            ),
            "raster_value_does_not_fit": _problem(
                "A raster has values that the new type has not.", "Cast to a type that holds them."
            ),
            "recipe_not_for_features": _problem(
                "The recipe has steps for rasters, and a file holds features.", "Deliver it by itself, with another intent."
            ),
            "recipe_not_for_rasters": _problem(
                "The recipe has steps for features, and a file is a raster.",
                'Deliver it by itself, with "intent": "ingest_raster".',
            ),
            "world_file_differs": _warning(
                "A world file places the raster elsewhere than the file itself does, which was taken.",
                "Remove the one that is wrong.",
            ),
        },
        "Recipes": {
            "bad_condition": _problem(
                "A condition does not fit the columns.", "Use the columns and types that the message lists."
            ),
            "bad_parameter": _problem("A parameter has a value that the recipe cannot use.", "See 'spatial-etl recipes NAME'."),
            "bad_recipe": _problem("A recipe has a mistake.", "Compare it with 'spatial-etl recipes NAME'."),
            "cannot_aggregate": _problem(
                "A column cannot be aggregated in that way.", "Use 'first' or 'count', or leave it out."
            ),
            "cannot_cast": _problem("A column cannot be cast to that type.", "Cast it to string."),
            "cannot_cast_value": _problem(
                "A value cannot be cast exactly.", "Correct it, or set 'on_error' of the step to \"null\"."
            ),
            "cannot_group": _problem("Features cannot be grouped by that column.", "Leave it out of 'by'."),
            "column_name_taken": _problem("A column cannot have that name.", "Choose another name."),
            "missing_parameter": _problem("The recipe needs a parameter that is not given.", "Give it under 'parameters'."),
            "recipe_broken": _problem(
                "The file with the recipe of the intent cannot be used.", "Correct the file, or choose another intent."
            ),
            "recipe_name_taken": _problem("Two recipes have the same name.", "Rename one."),
            "recipe_not_readable": _problem("A recipe's file cannot be read.", "Make it readable, or rename it."),
            "recipe_not_yaml": _problem("A recipe's file is not YAML in UTF-8.", "Correct the YAML."),
            "repair_needed": _problem("A step needs valid geometry.", "Put a step 'repair' right before it."),
            "sum_too_large": _problem("A sum does not fit into its type.", "Cast the column to double before."),
            "unknown_column": _problem("A step names a column that does not exist.", "Use a column that the message lists."),
            "unknown_parameter": _problem("The recipe has no parameter of that name.", "Remove it, or correct its spelling."),
        },
        "Named inputs": {
            "cannot_join": _problem("Columns of a key cannot be compared.", "Name other columns as the key."),
            "cannot_join_column": _problem(
                "A column of an input, such as a list, cannot be added to features.", "Name the others in 'columns'."
            ),
            "collection_not_compared": _problem(
                "What lies within a GeometryCollection, or contains it, is not defined.", "Use 'intersects', or 'explode' before."
            ),
            "input_has_several_layers": _problem("A named input is one layer, and the file has several.", "Name the 'layer'."),
            "join_finds_several": _problem(
                "A feature finds several rows of an input, and may find one.",
                'Make the key unique in the input, name more columns in \'on\', or write "cardinality": "many".',
            ),
            "key_nearly_matched": _warning(
                "A feature finds no row of an input, but would if blanks and leading zeros of its key did not count.",
                "Write the keys alike in both.",
            ),
            "key_types_differ": _problem(
                "The columns of a key are of different types, which are not converted.", "Cast one of them before."
            ),
            "missing_input": _problem("The recipe needs an input that the batch does not have.", "Give it, with its 'name'."),
            "not_for_named_inputs": _problem(
                "A key or type does not fit a named input, of which no dataset is made.", "Leave it out, or leave out 'name'."
            ),
            "nothing_matched": _problem(
                "No feature finds anything in an input.", "Check that it is the right input, and that both mean the same things."
            ),
            "too_many_doubled": _problem("More features find several rows than 'max_doubled' says.", "Check the key."),
            "too_many_unmatched": _problem(
                "More features find nothing in an input than 'max_unmatched' says.", "Complete the input, or allow more."
            ),
            "unknown_input": _problem("The recipe has no input of that name.", "Correct the 'intent' or the 'name'."),
        },
        "Export": {
            "export_crs": _either(
                "The format holds longitude and latitude only, or does not say its CRS; or the data have none.",
                "Write GeoPackage or GeoParquet where the CRS matters.",
            ),
            "export_exists": _problem("There is a file of this name already.", "Name another file, or add --overwrite."),
            "export_format_unknown": _problem(
                "The name of the file does not say a format that can be written.", "Let it end in .gpkg, .fgb, .geojson, ..."
            ),
            "export_geometry": _either(
                "The format cannot hold these geometries, or not as they are.", "Write GeoPackage or GeoParquet."
            ),
            "export_no_folder": _problem("There is no such folder.", "Make it first."),
            "export_not_possible": _problem("The version has no features.", "Copy its files from the lake."),
            "export_refused": _problem("The writer of the format refuses the data.", "Write GeoPackage or GeoParquet."),
            "export_renamed": _warning("A column has a shorter name in the file.", "Nothing has to be done."),
            "export_too_large": _problem("The format cannot hold so much.", "Write GeoPackage, or export a part."),
            "export_type": _warning(
                "The format has no type for the values of a column: they are written in another one, without loss.",
                "Write GeoParquet to keep all types.",
            ),
            "export_values": _warning(
                "Values are not the same in the file, as the format cannot hold them.", "Write GeoParquet to keep all values."
            ),
        },
        "Running": {
            "attempt_not_known": _problem(
                "The ledger was made again out of the lake, which does not tell of this attempt.",
                "Nothing: a later attempt succeeded.",
            ),
            "backup_damaged": _problem("A backup is not whole, or was changed.", "Restore another backup."),
            "batch_too_large": _problem("The record of the batch is too large for the ledger.", "Split it into several batches."),
            "canceled": _problem("The run was canceled.", "Upload the manifest again."),
            "damaged_record": _problem(
                "A record of the ledger cannot be read.", "'spatial-etl verify --chain' names all of them. Restore a backup."
            ),
            "input_changed": _problem(
                "An input of a replay is not what it was.", "Put the original files back into the landing zone."
            ),
            "internal_error": _problem("The platform failed; the files are not to blame.", "Report it to the operator."),
            "lake_of_another_ledger": _problem("The lake and the ledger do not belong together.", "Correct the settings."),
            "lease_expired": _problem(
                "The worker of the run ended without a result.", "It is tried again by itself, three times at most."
            ),
            "ledger_not_empty": _problem(
                "A place that is to be filled anew, such as a ledger, holds something already.", "Name an empty one."
            ),
            "newer_format": _problem("A record was written by a newer release.", "Install that release, or a later one."),
            "newer_release": _problem(
                "A newer release has upgraded the ledger. This one must not write to it.", "Install that release, or a later one."
            ),
            "no_home": _problem(
                "There is no home where the command looks for it: nothing was delivered there.",
                "Go to the folder that has it, or name it by SPATIAL_ETL_HOME.",
            ),
            "not_writable": _problem(
                "A place of the data lake cannot be written to.", "Ask the operator to change the rights to it."
            ),
            "notification_test": _problem("A test of the notifications, by an operator.", "Nothing has to be done."),
            "rebuilt": _warning(
                "The record of the batch was made again out of the lake.", "Restore the ledger from a backup, if there is one."
            ),
            "report_not_written": _warning(
                "The report could not be written to the landing zone.", "Take away what lies in its place."
            ),
            "scratch_full": _problem(
                "The batch needs more room for temporary files than there is.",
                "Split it, or make room on the disk of SPATIAL_ETL_SCRATCH.",
            ),
            "service_unavailable": _problem(
                "A service cannot be reached, or refuses.", "Check the setting that the message names."
            ),
            "taken_over": _problem(
                "Another worker took a batch over while this one was at it.", "Nothing: the other worker goes on with it."
            ),
        },
    }
)
"""By topic, in the order of the reference page; by code within a topic."""

CODES: Mapping[str, Code] = MappingProxyType({code: entry for codes in GROUPS.values() for code, entry in codes.items()})
"""All of them."""
