"""Dwell of the days that reported durations or time in the background: signals.features.rollup's rules, in DuckDB.

PostgreSQL has ranges and takes one set from another. Here a line of time is swept instead: every piece opens at one
moment and closes at another, and between two moments it is known how many of each sort are open.
"""

from signals.features.rollup import SESSION_GAP_S

US = 1_000_000
_GAP = SESSION_GAP_S * US

DWELT = f"""
CREATE OR REPLACE TABLE dwelt AS
WITH covered AS (
    SELECT DISTINCT enrolment_id, day, from_n FROM piece WHERE duration_s > 0 OR background_s > 0
), own AS (
    SELECT p.*, CASE WHEN p.duration_s IS NOT NULL THEN p.duration_s * {US}
                     WHEN p.gap <= {_GAP} AND NOT p.is_elsewhere THEN p.gap ELSE 0 END AS counts,
           CASE WHEN p.session IS NOT NULL THEN p.moment - lag(p.moment) OVER (
               PARTITION BY p.enrolment_id, p.day, p.from_n, p.session ORDER BY p.moment, p.id_high, p.id_low
           ) END AS silence
    FROM piece p SEMI JOIN covered USING (enrolment_id, day, from_n)
), stretches AS (
    SELECT enrolment_id, day, from_n, session, moment - counts AS opens, moment AS closes,
           (duration_s IS NOT NULL)::INTEGER AS reported, (duration_s IS NULL)::INTEGER AS filled, 0 AS silent,
           0 AS unseen
    FROM own WHERE counts > 0
    UNION ALL
    SELECT enrolment_id, day, from_n, session, moment - silence, moment, 0, 0, 1, 0 FROM own WHERE silence > {_GAP}
    UNION ALL
    SELECT enrolment_id, day, from_n, session, moment - least(background_s * {US}, counts), moment, 0, 0, 0, 1
    FROM own WHERE background_s > 0 AND counts > 0
), turns AS (
    SELECT enrolment_id, day, from_n, session, opens AS moment, reported, filled, silent, unseen FROM stretches
    UNION ALL
    SELECT enrolment_id, day, from_n, session, closes, -reported, -filled, -silent, -unseen FROM stretches
), moments AS (
    SELECT enrolment_id, day, from_n, session, moment, sum(reported) AS reported, sum(filled) AS filled,
           sum(silent) AS silent, sum(unseen) AS unseen
    FROM turns GROUP BY ALL
), states AS (
    -- Between this moment and the next: does the session count, is it out of sight?
    SELECT enrolment_id, day, from_n, session, moment,
           ((sum(reported) OVER line > 0 AND sum(silent) OVER line = 0) OR sum(filled) OVER line > 0)::INTEGER AS counted,
           (sum(unseen) OVER line > 0)::INTEGER AS unseen
    FROM moments
    WINDOW line AS (PARTITION BY enrolment_id, day, from_n, session ORDER BY moment)
), changes AS (
    SELECT enrolment_id, day, from_n, moment,
           counted - coalesce(lag(counted) OVER line, 0) AS counted,
           unseen - coalesce(lag(unseen) OVER line, 0) AS unseen
    FROM states
    WINDOW line AS (PARTITION BY enrolment_id, day, from_n, session ORDER BY moment)
), of_day AS (
    SELECT enrolment_id, day, from_n, moment, sum(counted) AS counted, sum(unseen) AS unseen
    FROM changes GROUP BY ALL
), line_of_day AS (
    SELECT enrolment_id, day, from_n, moment, lead(moment) OVER line AS until,
           sum(counted) OVER line > 0 AND sum(unseen) OVER line = 0 AS is_dwelt
    FROM of_day
    WINDOW line AS (PARTITION BY enrolment_id, day, from_n ORDER BY moment)
)
SELECT c.enrolment_id, c.day, c.from_n, coalesce(sum(l.until - l.moment) FILTER (WHERE l.is_dwelt), 0)::BIGINT AS dwelt
FROM covered c LEFT JOIN line_of_day l USING (enrolment_id, day, from_n)
GROUP BY ALL
"""
