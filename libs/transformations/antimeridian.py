"""Functions for PostgreSQL that cut at the antimeridian, and close over a pole, what a reprojection to longitudes has torn apart.

They do what ``libs.spatial_utils.antimeridian`` does, which has the reasons, function by function. Parallel workers may call
them, so that they catch no errors.
"""

import hashlib

_ARGUMENTS = "(torn geometry, source geometry, half float8, wide float8) RETURNS geometry"
_FUNCTIONS = {
    "vertex(p geometry, q geometry, part float8, x float8) RETURNS geometry LANGUAGE sql": """
SELECT CASE ST_Zmflag(p)
  WHEN 0 THEN ST_MakePoint(x, ST_Y(p) + part * (ST_Y(q) - ST_Y(p)))
  WHEN 1 THEN ST_MakePointM(x, ST_Y(p) + part * (ST_Y(q) - ST_Y(p)), ST_M(p) + part * (ST_M(q) - ST_M(p)))
  WHEN 2 THEN ST_MakePoint(x, ST_Y(p) + part * (ST_Y(q) - ST_Y(p)), ST_Z(p) + part * (ST_Z(q) - ST_Z(p)))
  ELSE ST_MakePoint(x, ST_Y(p) + part * (ST_Y(q) - ST_Y(p)), ST_Z(p) + part * (ST_Z(q) - ST_Z(p)),
                    ST_M(p) + part * (ST_M(q) - ST_M(p))) END
""",
    "short(way float8, half float8) RETURNS float8 LANGUAGE sql": "SELECT way - 2 * half * round(way / (2 * half))",
    "longitude(x float8, y float8) RETURNS float8 LANGUAGE sql": "SELECT ST_X({longitude})",
    "way(ax float8, ay float8, bx float8, by float8, a float8, b float8, half float8, depth int) RETURNS float8"
    " LANGUAGE plpgsql": """
DECLARE
  way float8 := {prefix}short(b - a, half);
  x float8 := (ax + bx) / 2;
  y float8 := (ay + by) / 2;
  middle float8;
BEGIN
  IF depth = 10 OR depth >= 4 AND abs(way) <= half / 4 THEN
    RETURN way;
  END IF;
  middle := {prefix}longitude(x, y);
  IF middle IN ('Infinity', '-Infinity', 'NaN') THEN
    RETURN NULL;
  END IF;
  RETURN {prefix}way(ax, ay, x, y, a, middle, half, depth + 1) + {prefix}way(x, y, bx, by, middle, b, half, depth + 1);
END
""",
    "at_end(p geometry[], s geometry[], i int, o int, half float8) RETURNS float8 LANGUAGE plpgsql": """
DECLARE
  found float8 := {prefix}longitude(ST_X(s[i]) + 1e-6 * (ST_X(s[o]) - ST_X(s[i])),
                                    ST_Y(s[i]) + 1e-6 * (ST_Y(s[o]) - ST_Y(s[i])));
BEGIN
  IF found IN ('Infinity', '-Infinity', 'NaN') OR abs({prefix}short(found - ST_X(p[o]), half)) < half * 1e-4 THEN
    RETURN ST_X(p[o]);
  END IF;
  RETURN found;
END
""",
    "path(torn geometry, source geometry, half float8, wide float8, ring boolean) RETURNS geometry LANGUAGE plpgsql": """
DECLARE
  p geometry[];
  s geometry[];
  q geometry[];
  r geometry[];
  ways float8[];
  corner int;
  corners int := 0;
  others float8 := 0;
  way float8;
  edge float8;
  came float8;
  gone float8;
  going float8;
  x float8;
  before float8;
  border float8;
  n int;
  k int;
  last int;
  step int;
BEGIN
  SELECT array_agg(geom ORDER BY path) INTO p FROM ST_DumpPoints(torn);
  SELECT array_agg(geom ORDER BY path) INTO s FROM ST_DumpPoints(source);
  n := array_length(p, 1);
  IF ring THEN
    SELECT min(i) INTO k FROM generate_series(1, n) AS i WHERE abs(ST_Y(p[i])) <= half / 2 - 1e-10;
    SELECT max(i) INTO last FROM generate_series(1, n) AS i WHERE abs(ST_Y(p[i])) > half / 2 - 1e-10;
    IF k IS NOT NULL AND last IS NOT NULL THEN
      p := p[k:n - 1] || p[1:k];
      s := s[k:n - 1] || s[1:k];
      FOR i IN 1 .. n LOOP
        q := q || p[i];
        r := r || s[i];
        IF abs(ST_Y(p[i])) > half / 2 - 1e-10 THEN
          came := {prefix}at_end(p, s, i, i - 1, half);
          gone := {prefix}at_end(p, s, i, i + 1, half);
          IF abs({prefix}short(came - ST_X(p[i]), half)) >= half * 1e-4
            OR abs({prefix}short(gone - ST_X(p[i]), half)) >= half * 1e-4 THEN
            q[array_length(q, 1)] := {prefix}vertex(p[i], p[i], 0, came);
            q := q || {prefix}vertex(p[i], p[i], 0, gone);
            r := r || s[i];
            corners := corners + 1;
          END IF;
        END IF;
      END LOOP;
      IF corners > 0 THEN
        p := q;
        s := r;
      ELSE
        SELECT array_agg(geom ORDER BY path) INTO p FROM ST_DumpPoints(torn);
        SELECT array_agg(geom ORDER BY path) INTO s FROM ST_DumpPoints(source);
      END IF;
      n := array_length(p, 1);
      q := NULL;
    END IF;
  END IF;
  corners := 0;
  FOR i IN 1 .. n - 1 LOOP
    way := {prefix}short(ST_X(p[i + 1]) - ST_X(p[i]), half);
    edge := greatest(abs(ST_X(s[i + 1]) - ST_X(s[i])), abs(ST_Y(s[i + 1]) - ST_Y(s[i])));
    IF edge = 0 AND way <> 0 THEN
      corners := corners + 1;
      corner := i;
    ELSE
      IF abs(way) > half / 4 OR edge >= wide THEN
        way := coalesce({prefix}way(ST_X(s[i]), ST_Y(s[i]), ST_X(s[i + 1]), ST_Y(s[i + 1]), ST_X(p[i]), ST_X(p[i + 1]), half, 0),
                        way);
      END IF;
      others := others + way;
    END IF;
    ways[i] := way;
  END LOOP;
  IF corners = 1 THEN
    ways[corner] := -others;
  END IF;
  going := ST_X(p[1]);
  FOR i IN 1 .. n LOOP
    x := ST_X(p[i]) + 2 * half * round((going - ST_X(p[i])) / (2 * half));
    border := half + 2 * half * round((x - half) / (2 * half));
    IF abs(x - border) < 1e-10 THEN
      x := border;
    END IF;
    IF i > 1 AND floor((x - half) / (2 * half)) <> floor((before - half) / (2 * half)) THEN
      k := floor((least(before, x) - half) / (2 * half)) + 1;
      last := ceil((greatest(before, x) - half) / (2 * half)) - 1;
      step := 1;
      IF x < before THEN
        SELECT last, k, -1 INTO k, last, step;
      END IF;
      WHILE step * (last - k) >= 0 LOOP
        border := half + 2 * half * k;
        q := q || {prefix}vertex(p[i - 1], p[i], (border - before) / (x - before), border);
        k := k + step;
      END LOOP;
    END IF;
    q := q || {prefix}vertex(p[i], p[i], 0, x);
    going := going + ways[i];
    before := x;
  END LOOP;
  RETURN ST_MakeLine(q);
END
""",
    # GEOS leaves out heights where all are NaN, and measures always: geometries of one collection must have the same.
    "alike(shape geometry, model geometry) RETURNS geometry LANGUAGE sql": """
SELECT CASE WHEN ST_Zmflag(model) IN (2, 3) THEN ST_Force3DZ(shape, 'NaN') ELSE ST_Force2D(shape) END
""",
    "sound(area geometry) RETURNS geometry LANGUAGE sql": """
SELECT CASE WHEN ST_IsValid(area) THEN area ELSE ST_CollectionExtract(ST_MakeValid(area), 3) END
""",
    f"area{_ARGUMENTS} LANGUAGE plpgsql": """
DECLARE
  path geometry := {prefix}path(torn, source, half, wide, true);
  turn float8 := 2 * half;
  turns int := round((ST_X(ST_EndPoint(path)) - ST_X(ST_StartPoint(path))) / turn);
  rightly boolean := ST_IsPolygonCCW(ST_MakePolygon(ST_Force2D(source)));
  inside_out boolean := false;
  north boolean;
  p geometry[];
  first int;
  low int;
  high int;
  width float8;
  area geometry;
  pieces geometry[];
BEGIN
  IF abs(turns) > 1 THEN
    RETURN ST_MakePoint('Infinity', 'Infinity');
  END IF;
  IF turns <> 0 THEN
    north := (turns > 0) = rightly;
    SELECT array_agg(geom ORDER BY part.path) INTO p FROM ST_DumpPoints(path) AS part;
    SELECT i INTO first FROM generate_series(1, array_length(p, 1) - 1) AS i
    WHERE {prefix}short(ST_X(p[i]) - half, half) = 0 ORDER BY CASE WHEN north THEN -ST_Y(p[i]) ELSE ST_Y(p[i]) END, i LIMIT 1;
    IF first IS NULL THEN
      RETURN ST_MakePoint('Infinity', 'Infinity');
    END IF;
    SELECT p[first:array_length(p, 1) - 1] || array_agg(ST_Translate(p[i], turns * turn, 0) ORDER BY i) INTO p
    FROM generate_series(1, first) AS i;
    p := p || ARRAY[ST_Translate(p[array_length(p, 1)], 0, CASE WHEN north THEN half / 2 ELSE -half / 2 END - ST_Y(p[1])),
                    ST_Translate(p[1], 0, CASE WHEN north THEN half / 2 ELSE -half / 2 END - ST_Y(p[1])), p[1]];
    path := ST_MakeLine(p);
  ELSIF greatest(ST_XMax(source) - ST_XMin(source), ST_YMax(source) - ST_YMin(source)) >= 2.5 * wide
    AND ST_IsPolygonCCW(ST_MakePolygon(ST_Force2D(path))) <> rightly THEN
    inside_out := ST_IsValid(ST_MakePolygon(ST_Force2D(source)));
  END IF;
  low := floor((ST_XMin(path) + half) / turn);
  high := ceil((ST_XMax(path) + half) / turn) - 1;
  width := ST_XMax(path) - ST_XMin(path);
  IF low = high THEN
    path := ST_Translate(path, -low * turn, 0);
    IF NOT inside_out AND ST_AsBinary(path) = ST_AsBinary(torn) THEN
      RETURN NULL;
    END IF;
  END IF;
  area := {prefix}sound(ST_MakePolygon(path));
  IF low <> high THEN
    FOR k IN low .. high LOOP
      pieces := pieces || {prefix}alike(ST_Translate(ST_CollectionExtract(ST_Intersection(
        area, ST_MakeEnvelope(k * turn - half, -half, k * turn + half, half)), 3), -k * turn, 0), torn);
    END LOOP;
    IF width >= turn - 1e-10 THEN
      area := ST_Union(pieces);
    ELSE
      SELECT ST_Collect(part.geom ORDER BY i, part.path) INTO area
      FROM unnest(pieces) WITH ORDINALITY AS piece(geom, i), ST_Dump(piece.geom) AS part;
    END IF;
  END IF;
  IF inside_out THEN
    RETURN ST_Difference(ST_MakeEnvelope(-half, -half / 2, half, half / 2), area);
  END IF;
  RETURN area;
END
""",
    f"polygon{_ARGUMENTS} LANGUAGE plpgsql": """
DECLARE
  areas geometry[] := ARRAY[{prefix}area(ST_ExteriorRing(torn), ST_ExteriorRing(source), half, wide)];
  changed boolean := areas[1] IS NOT NULL;
  whole geometry;
BEGIN
  FOR i IN 1 .. ST_NumInteriorRings(torn) LOOP
    areas := areas || {prefix}area(ST_InteriorRingN(torn, i), ST_InteriorRingN(source, i), half, wide);
    changed := changed OR areas[i + 1] IS NOT NULL;
  END LOOP;
  IF NOT changed THEN
    RETURN NULL;
  END IF;
  FOR i IN 1 .. array_length(areas, 1) LOOP
    IF areas[i] IS NULL THEN
      areas[i] := {prefix}sound(ST_MakePolygon(CASE i WHEN 1 THEN ST_ExteriorRing(torn) ELSE ST_InteriorRingN(torn, i - 1) END));
    ELSIF ST_XMax(areas[i]) = 'Infinity' THEN
      RETURN areas[i];
    END IF;
  END LOOP;
  whole := areas[1];
  IF array_length(areas, 1) > 1 THEN
    whole := ST_Difference(whole, ST_Union(areas[2:]));
  END IF;
  whole := {prefix}alike(ST_CollectionExtract(whole, 3), torn);
  IF ST_IsEmpty(whole) OR NOT ST_IsValid(whole) THEN -- GEOS 3.11 makes nonsense of what has a height that is no number
    RETURN ST_MakePoint('Infinity', 'Infinity');
  END IF;
  RETURN CASE ST_NumGeometries(whole) WHEN 1 THEN ST_GeometryN(whole, 1) ELSE whole END;
END
""",
    f"line{_ARGUMENTS} LANGUAGE plpgsql": """
DECLARE
  p geometry[];
  middle float8;
  strip int;
  strips int[];
  piece geometry[];
  pieces geometry[];
BEGIN
  SELECT array_agg(geom ORDER BY part.path) INTO p FROM ST_DumpPoints({prefix}path(torn, source, half, wide, false)) AS part;
  FOR i IN 1 .. array_length(p, 1) - 1 LOOP
    middle := (ST_X(p[i]) + ST_X(p[i + 1])) / 2;
    IF ST_X(p[i]) <> ST_X(p[i + 1]) OR {prefix}short(middle - half, half) <> 0 THEN
      strips[i] := floor((middle + half) / (2 * half));
    END IF;
  END LOOP;
  SELECT coalesce((SELECT side FROM unnest(strips) WITH ORDINALITY AS each(side, i) WHERE side IS NOT NULL ORDER BY i LIMIT 1), 0)
  INTO strip;
  FOR i IN 1 .. array_length(p, 1) - 1 LOOP
    IF strips[i] <> strip THEN
      IF piece IS NOT NULL THEN
        pieces := pieces || ST_Translate(ST_MakeLine(piece || p[i]), -2 * half * strip, 0);
      END IF;
      strip := strips[i];
      piece := NULL;
    END IF;
    piece := piece || p[i];
  END LOOP;
  pieces := pieces || ST_Translate(ST_MakeLine(piece || p[array_length(p, 1)]), -2 * half * strip, 0);
  IF array_length(pieces, 1) > 1 THEN
    RETURN ST_Collect(pieces);
  END IF;
  RETURN CASE WHEN ST_AsBinary(pieces[1]) = ST_AsBinary(torn) THEN NULL ELSE pieces[1] END;
END
""",
    f"split{_ARGUMENTS} LANGUAGE plpgsql": """
DECLARE
  new geometry;
  parts geometry[];
  changed boolean := false;
BEGIN
  IF ST_IsEmpty(torn) THEN
    RETURN NULL;
  END IF;
  CASE GeometryType(torn)
    WHEN 'POINT', 'POINTM' THEN
      RETURN CASE WHEN abs(ST_X(torn)) > half
        THEN ST_Translate(torn, -2 * half * floor((ST_X(torn) + half) / (2 * half)), 0) END;
    WHEN 'LINESTRING', 'LINESTRINGM' THEN
      RETURN {prefix}line(torn, source, half, wide);
    WHEN 'POLYGON', 'POLYGONM' THEN
      RETURN {prefix}polygon(torn, source, half, wide);
    ELSE
      FOR i IN 1 .. ST_NumGeometries(torn) LOOP
        new := {prefix}split(ST_GeometryN(torn, i), ST_GeometryN(source, i), half, wide);
        IF ST_XMax(new) = 'Infinity' THEN
          RETURN new;
        END IF;
        changed := changed OR new IS NOT NULL;
        parts := parts || coalesce(new, ST_GeometryN(torn, i));
      END LOOP;
      IF NOT changed THEN
        RETURN NULL;
      END IF;
      IF (SELECT count(DISTINCT ST_Zmflag(part)) FROM unnest(parts) AS part) > 1 THEN
        SELECT array_agg({prefix}alike(part, torn) ORDER BY i) INTO parts FROM unnest(parts) WITH ORDINALITY AS each(part, i);
      END IF;
      IF GeometryType(torn) LIKE 'GEOMETRYCOLLECTION%' THEN
        RETURN ST_ForceCollection(ST_Collect(parts));
      END IF;
      RETURN (SELECT ST_Multi(ST_Collect(part.geom ORDER BY i, part.path))
              FROM unnest(parts) WITH ORDINALITY AS each(geom, i), ST_Dump(each.geom) AS part);
  END CASE;
END
""",
}


_TRIED = """
BEGIN
  RETURN {prefix}split(torn, source, half, wide);
EXCEPTION WHEN OTHERS THEN
  RETURN ST_MakePoint('Infinity', 'Infinity');
END
"""


def split_functions(transform: str, *, guarded: bool) -> tuple[str, list[str]]:
    """The statements that create the functions for a reprojection.

    Args:
        transform: Expression for the point ``ST_MakePoint(x, y)`` in the target.
        guarded: Whether to catch what PostGIS raises, which only one process can.

    Returns:
        The name of the function to call with the reprojected geometry, the one before, 180 degrees in the unit of the target,
        and an eighth of the way round the earth in the unit of the source. It gives NULL where there is nothing to be done,
        and a point at infinity where that is impossible. With it, the statements.
    """
    prefix = f"_etl_{hashlib.sha256(transform.encode()).hexdigest()[:16]}_"
    names = {"prefix": prefix, "longitude": transform}
    volatility = "VOLATILE" if guarded else "IMMUTABLE PARALLEL SAFE"
    made = [_create(prefix + head, body.format(**names), volatility) for head, body in _FUNCTIONS.items()]
    if not guarded:
        return f"{prefix}split", made
    return f"{prefix}tried", [*made, _create(f"{prefix}tried{_ARGUMENTS} LANGUAGE plpgsql", _TRIED.format(**names), volatility)]


def _create(head: str, body: str, volatility: str) -> str:
    return f"CREATE OR REPLACE FUNCTION {head} {volatility} AS $_etl_${body}$_etl_$"
