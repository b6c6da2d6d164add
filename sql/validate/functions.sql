-- What every function of DuckDB is: only consistent scalar functions, and
-- macros over nothing else, may stand in an expression of a project file.
SELECT lower(function_name),
       function_type,
       coalesce(stability, ''),
       coalesce(macro_definition, ''),
       array_to_string(coalesce(parameters, []), ',')
FROM duckdb_functions()
ORDER BY ALL;
