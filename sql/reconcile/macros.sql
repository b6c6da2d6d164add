-- The text of a JSON object of entries ("name":value), in their order: names are
-- identifiers, so that is the order of the names. Null if there are none. An
-- aggregate with an ORDER BY of its own takes five times as long.
CREATE OR REPLACE TEMP MACRO _object(entries) AS '{' || array_to_string(list_sort(entries), ',') || '}';

-- A text without the size of its letters and without spaces that say nothing.
CREATE OR REPLACE TEMP MACRO _letters(v) AS lower(trim(regexp_replace(v, '\s+', ' ', 'g')));
