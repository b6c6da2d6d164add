-- The syntax tree of a statement, or where it breaks off.
SELECT json_serialize_sql(?::VARCHAR)::VARCHAR;
