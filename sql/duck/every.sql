-- Every row of some files, as a table without keys shows them.
CREATE OR REPLACE TEMP VIEW "$view" AS SELECT "$columns" FROM "$files";
